-- Tasks of a job. $1 job_id uuid, $2 state text (null: any), $3 after integer, $4 most bigint
SELECT id, number, round, state, records, reason, attempts, times
FROM tasks
WHERE job_id = $1 AND number > $3 AND ($2::text IS NULL OR state = $2)
ORDER BY number
LIMIT $4
