-- Forgets keys of a job. $1 job_id uuid, $2 most bigint
DELETE FROM job_keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM job_keys WHERE job_id = $1 LIMIT $2))
