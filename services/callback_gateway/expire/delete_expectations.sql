-- Forgets tasks whose deadlines are long past, but not those of jobs that are open or still shown. $1 older_than interval, $2 most bigint
DELETE FROM expectations
WHERE task_id IN (
    SELECT task_id FROM expectations
    WHERE deadline_at < now() - $1::interval
        AND NOT EXISTS (
            SELECT FROM jobs
            WHERE jobs.id = expectations.job_id AND (jobs.ended_at IS NULL OR jobs.ended_at >= now() - $1::interval)
        )
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
