-- One dead letter. $1 id uuid
SELECT id, service, topic, reason, job_id, task_id, at, document ->> 'error' AS error,
    document -> 'delivery' AS delivery, state, redrives, note, changed_at, document
FROM dead_letters
WHERE id = $1
