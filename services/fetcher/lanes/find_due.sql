-- The next calls of a vendor, locked; of a cancelled or paused job only what outlives it. A suspect is among them if it
-- has been due for long, or if nothing else is due.
-- $1 vendor text
-- $2 most bigint
-- $3 suspect_from integer
-- $4 long interval
WITH others AS (
    SELECT id FROM calls
    WHERE vendor = $1 AND state = 'waiting' AND not_before <= now()
        AND (
            outlives
            OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = calls.job_id)
            AND NOT EXISTS (SELECT FROM paused_jobs WHERE paused_jobs.job_id = calls.job_id AND paused_jobs.paused)
        )
        AND cardinality(taken_from) < $3
    ORDER BY priority, created_at
    LIMIT $2
    FOR UPDATE OF calls SKIP LOCKED
),
suspect AS (
    SELECT id FROM calls
    WHERE vendor = $1 AND state = 'waiting' AND taken_from <> '{}' AND cardinality(taken_from) >= $3
        AND not_before <= now()
        AND (
            outlives
            OR NOT EXISTS (SELECT FROM cancelled_jobs WHERE cancelled_jobs.job_id = calls.job_id)
            AND NOT EXISTS (SELECT FROM paused_jobs WHERE paused_jobs.job_id = calls.job_id AND paused_jobs.paused)
        )
        AND (not_before < now() - $4::interval OR NOT EXISTS (SELECT FROM others))
    ORDER BY not_before
    LIMIT 1
    FOR UPDATE OF calls SKIP LOCKED
)
SELECT id, false AS suspect FROM others
UNION ALL
SELECT id, true AS suspect FROM suspect
