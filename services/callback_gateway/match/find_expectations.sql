-- Tasks that wait, by their ids or by their vendors' jobs, locked. $1 task_ids uuid[], $2 vendors text[], $3 vendor_jobs text[]
SELECT task_id, job_id, number, round, vendor, rules, deadline_at, vendor_job, over, told, updated_at
FROM expectations
WHERE task_id = ANY ($1)
    OR (vendor, vendor_job) IN (SELECT given.vendor, given.vendor_job FROM unnest($2::text[], $3::text[]) AS given (vendor, vendor_job))
ORDER BY task_id
FOR UPDATE
