-- Forgets waiting calls of jobs. $1 job_ids uuid[]
DELETE FROM calls WHERE job_id = ANY ($1) AND state = 'waiting' AND NOT outlives
