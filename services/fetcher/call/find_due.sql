-- The next calls of a vendor, locked; of a cancelled job only what outlives it. $1 vendor text, $2 most bigint
SELECT id FROM calls
WHERE vendor = $1 AND state = 'waiting' AND not_before <= now()
    AND (outlives OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = calls.job_id))
ORDER BY priority, created_at
LIMIT $2
FOR UPDATE OF calls SKIP LOCKED
