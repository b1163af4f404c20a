-- The next failed tasks of a job. $1 job_id uuid, $2 after integer (a number), $3 most bigint
SELECT id, number
FROM tasks
WHERE job_id = $1 AND state IN ('failed', 'dead', 'expired') AND number > $2
ORDER BY number
LIMIT $3
