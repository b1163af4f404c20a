CREATE INDEX jobs_by_time_idx ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_by_state_and_time_idx ON jobs (state, created_at DESC, id DESC);
DROP INDEX jobs_by_state_idx;
