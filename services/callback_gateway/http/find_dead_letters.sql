-- Dead letters, newest first, without their originals.
-- $1 service text
-- $2 topics text[]
-- $3 reason text
-- $4 job_id uuid
-- $5 since timestamptz
-- $6 until timestamptz
-- $7 state text (null: any)
-- $8 after uuid (null: from the newest)
-- $9 most bigint
SELECT id, service, topic, reason, job_id, task_id, at, document ->> 'error' AS error,
    document -> 'delivery' AS delivery, state, redrives, note, changed_at
FROM dead_letters
WHERE ($1::text IS NULL OR service = $1)
    AND ($2::text[] IS NULL OR topic = ANY ($2))
    AND ($3::text IS NULL OR (left(reason, 100) = left($3, 100) AND reason = $3))
    AND ($4::uuid IS NULL OR job_id = $4)
    AND ($5::timestamptz IS NULL OR at >= $5)
    AND ($6::timestamptz IS NULL OR at < $6)
    AND ($7::text IS NULL OR state = $7)
    AND ($8::uuid IS NULL OR (at, id) < (SELECT last.at, last.id FROM dead_letters AS last WHERE last.id = $8))
ORDER BY at DESC, id DESC
LIMIT $9
