-- Where tasks of a job stand. $1 job_id uuid, $2 ids uuid[]
SELECT id, round, state FROM tasks WHERE job_id = $1 AND id = ANY ($2)
