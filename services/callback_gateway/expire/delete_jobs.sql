-- Forgets jobs that ended long ago, of which nothing else is left, no answer's body either; gives them. $1 older_than interval, $2 most bigint
DELETE FROM jobs
WHERE id IN (
    SELECT id FROM jobs
    WHERE ended_at < now() - $1::interval
        AND NOT coalesce(answer ? 'body', false)
        AND NOT EXISTS (SELECT FROM tasks WHERE tasks.job_id = jobs.id)
        AND NOT EXISTS (SELECT FROM job_events WHERE job_events.job_id = jobs.id)
    ORDER BY ended_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING id, kind
