-- One dead letter. $1 id uuid
SELECT id, service, topic, reason, job_id, task_id, at, document FROM dead_letters WHERE id = $1
