-- Tasks that wait, by their ids or by their vendors' jobs, locked. $1 task_ids uuid[], $2 vendors text[], $3 vendor_jobs text[]
SELECT
    task_id, job_id, number, round, correlation_id, vendor, rules, deadline_at, vendor_job, over, reported, updated_at, since,
    vendor_job IS NULL AND EXISTS (
        SELECT FROM told_vendor_jobs AS told WHERE told.task_id = expectations.task_id AND told.round = expectations.round
    ) AS told_vendor_job
FROM expectations
WHERE task_id IN (
    SELECT given.task_id FROM unnest($1::uuid[]) AS given (task_id)
    UNION
    SELECT named.task_id
    FROM expectations AS named
    JOIN unnest($2::text[], $3::text[]) AS given (vendor, vendor_job) USING (vendor, vendor_job)
)
ORDER BY task_id
FOR UPDATE
