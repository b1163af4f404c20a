-- Forgets a job that has no keys left. $1 job_id uuid
DELETE FROM keyed_jobs WHERE job_id = $1
