-- Forgets tasks of jobs that ended long ago; the jobs are locked, so that none of them is redriven meanwhile.
-- $1 older_than interval
-- $2 jobs bigint
-- $3 most bigint
WITH old AS (
    SELECT id FROM jobs WHERE ended_at < now() - $1::interval ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM tasks
WHERE id IN (SELECT tasks.id FROM old JOIN tasks ON tasks.job_id = old.id LIMIT $3)
