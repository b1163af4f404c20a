-- Forgets tasks of jobs that ended long ago. $1 older_than interval, $2 most bigint
WITH old AS (
    SELECT id FROM jobs
    WHERE ended_at < now() - $1::interval AND EXISTS (SELECT FROM tasks WHERE tasks.job_id = jobs.id)
    ORDER BY ended_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
DELETE FROM tasks
WHERE id IN (SELECT tasks.id FROM old JOIN tasks ON tasks.job_id = old.id LIMIT $2)
