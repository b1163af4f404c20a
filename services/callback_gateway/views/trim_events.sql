-- Keeps only the latest events of jobs. $1 job_ids uuid[], $2 most bigint
DELETE FROM job_events
USING (
    SELECT given.job_id, oldest.sequence
    FROM unnest($1::uuid[]) AS given (job_id)
    CROSS JOIN LATERAL (
        SELECT sequence FROM job_events AS one
        WHERE one.job_id = given.job_id
        ORDER BY sequence DESC
        OFFSET $2
        LIMIT 1
    ) AS oldest
) AS beyond
WHERE job_events.job_id = beyond.job_id AND job_events.sequence <= beyond.sequence
