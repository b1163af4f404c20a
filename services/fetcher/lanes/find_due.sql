-- The next calls of a vendor, locked; of a cancelled or paused job only what outlives it. $1 vendor text, $2 most bigint, $3 suspects boolean, $4 suspect_from integer
SELECT id, cardinality(taken_from) >= $4 AS suspect FROM calls
WHERE vendor = $1 AND state = 'waiting' AND not_before <= now()
    AND (
        outlives
        OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = calls.job_id)
        AND NOT EXISTS (SELECT FROM paused_jobs WHERE paused_jobs.job_id = calls.job_id AND paused_jobs.paused)
    )
    AND ($3 OR cardinality(taken_from) < $4)
ORDER BY priority, created_at
LIMIT $2
FOR UPDATE OF calls SKIP LOCKED
