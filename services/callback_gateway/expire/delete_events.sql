-- Forgets events of jobs that ended long ago. $1 older_than interval, $2 most bigint
WITH old AS (
    SELECT id FROM jobs
    WHERE ended_at < now() - $1::interval AND EXISTS (SELECT FROM job_events WHERE job_events.job_id = jobs.id)
    ORDER BY ended_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
DELETE FROM job_events
WHERE sequence IN (SELECT sequence FROM old JOIN job_events ON job_events.job_id = old.id LIMIT $2)
