CREATE INDEX jobs_paused_idx ON jobs (id) WHERE state = 'paused';
