-- The release leaps over jobs that are paused.
CREATE INDEX jobs_running_idx ON jobs (vendor, priority, id) WHERE state = 'running';
