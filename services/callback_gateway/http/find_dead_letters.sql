-- Dead letters, newest first, without their originals. $1 service text (null: any), $2 job_id uuid (null: any), $3 after uuid (null: from the newest), $4 most bigint
SELECT id, service, topic, reason, job_id, task_id, at, document ->> 'error' AS error, document -> 'delivery' AS delivery
FROM dead_letters
WHERE ($1::text IS NULL OR service = $1)
    AND ($2::uuid IS NULL OR job_id = $2)
    AND ($3::uuid IS NULL OR (at, id) < (SELECT last.at, last.id FROM dead_letters AS last WHERE last.id = $3))
ORDER BY at DESC, id DESC
LIMIT $4
