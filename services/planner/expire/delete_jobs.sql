-- Forgets jobs that ended long ago and have no tasks any more. $1 older_than interval, $2 most bigint
DELETE FROM jobs
WHERE id IN (
    SELECT id FROM jobs
    WHERE ended_at < now() - $1::interval AND NOT EXISTS (SELECT FROM tasks WHERE tasks.job_id = jobs.id)
    ORDER BY ended_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
