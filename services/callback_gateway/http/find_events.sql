-- Events of a job. $1 job_id uuid, $2 after bigint, $3 most bigint
SELECT sequence, type, data FROM job_events WHERE job_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
