-- Up to which task the failed ones of a job have been planned again, while that goes on block by block.
ALTER TABLE jobs ADD COLUMN redriven_to integer;
CREATE INDEX tasks_failed_by_number_idx ON tasks (job_id, number) WHERE state IN ('failed', 'dead', 'expired');
DROP INDEX tasks_failed_idx;
