-- The first failed page of a job that other results of its vendor job are behind. $1 job_id uuid
SELECT number, reason, slice
FROM tasks
WHERE job_id = $1 AND state IN ('failed', 'dead', 'expired') AND slice IS NOT NULL AND wanted IS NOT NULL
    AND digest = '' AND NOT coalesce((wanted ->> 'growth')::boolean, false)
ORDER BY number
LIMIT 1
