-- Ends jobs as failed, with all of their tasks that are open. Ranks: `TaskState`.
-- $1 ids uuid[]
-- $2 reason text
WITH closed AS (
    UPDATE tasks SET state = 'cancelled', rank = 9, ended_at = now()
    WHERE job_id = ANY ($1) AND rank < 9
    RETURNING job_id
)
UPDATE jobs
SET state = 'failed', reason = $2, ended_at = now(), open = 0, redriven_to = NULL,
    cancelled = cancelled + (SELECT count(*) FROM closed WHERE closed.job_id = jobs.id)
WHERE id = ANY ($1) AND ended_at IS NULL
RETURNING id, planned, completed, failed, cancelled, records, distinct_records, expected
