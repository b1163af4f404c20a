ALTER TABLE jobs ADD COLUMN answer jsonb;
CREATE INDEX jobs_answered_idx ON jobs (ended_at) WHERE answer ? 'body';
