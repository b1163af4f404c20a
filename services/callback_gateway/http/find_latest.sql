-- The number of the latest event of each job. $1 job_ids uuid[]
SELECT given.job_id, latest.sequence
FROM unnest($1::uuid[]) AS given (job_id)
CROSS JOIN LATERAL (
    SELECT sequence FROM job_events WHERE job_events.job_id = given.job_id ORDER BY sequence DESC LIMIT 1
) AS latest
