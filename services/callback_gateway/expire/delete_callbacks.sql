-- Forgets old callbacks that were judged, but not those of jobs that are open or still shown. $1 older_than interval, $2 most bigint
DELETE FROM callbacks
WHERE id IN (
    SELECT id FROM callbacks
    WHERE received_at < now() - $1::interval
        AND verdict <> 'parked'
        AND NOT EXISTS (
            SELECT FROM jobs
            WHERE jobs.id = callbacks.job_id AND (jobs.ended_at IS NULL OR jobs.ended_at >= now() - $1::interval)
        )
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
