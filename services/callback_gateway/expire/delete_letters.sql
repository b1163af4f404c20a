-- Forgets dead letters of which nothing was heard for long, but not those of jobs that are open or still shown. $1 older_than interval, $2 most bigint
DELETE FROM dead_letters
WHERE id IN (
    SELECT id FROM dead_letters
    WHERE changed_at < now() - $1::interval
        AND state <> 'redriving'
        AND NOT EXISTS (
            SELECT FROM jobs
            WHERE jobs.id = dead_letters.job_id AND (jobs.ended_at IS NULL OR jobs.ended_at >= now() - $1::interval)
        )
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
