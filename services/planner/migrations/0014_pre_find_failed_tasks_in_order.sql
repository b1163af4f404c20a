-- By itself, as all tasks are read: whoever adds a column keeps everybody else from the table meanwhile.
CREATE INDEX tasks_failed_by_number_idx ON tasks (job_id, number) WHERE state IN ('failed', 'dead', 'expired');
DROP INDEX tasks_failed_idx;
