-- Keeps the keys that a job has brought, each with the task that brought it first. $1 job_ids uuid[], $2 keys text[], $3 task_ids uuid[]
INSERT INTO job_keys (job_id, key, task_id)
SELECT job_id, key, task_id FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS given (job_id, key, task_id)
ON CONFLICT (job_id, key) DO NOTHING
