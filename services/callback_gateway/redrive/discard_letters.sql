-- Discards a page of letters that are open or wait for their turn, the oldest first; returns them.
-- $1 service text
-- $2 topics text[]
-- $3 reason text
-- $4 job_id uuid
-- $5 since timestamptz
-- $6 until timestamptz
-- $7 id uuid (null: any)
-- $8 note text
-- $9 after_at timestamptz
-- $10 after_id uuid
-- $11 latest_at timestamptz
-- $12 most bigint
WITH found AS (
    SELECT id
    FROM dead_letters
    WHERE state IN ('open', 'redriving')
        AND ($1::text IS NULL OR service = $1)
        AND ($2::text[] IS NULL OR topic = ANY ($2))
        AND ($3::text IS NULL OR (left(reason, 100) = left($3, 100) AND reason = $3))
        AND ($4::uuid IS NULL OR job_id = $4)
        AND ($5::timestamptz IS NULL OR at >= $5)
        AND ($6::timestamptz IS NULL OR at < $6)
        AND ($7::uuid IS NULL OR id = $7)
        AND (at, id) > ($9, $10)
        AND at <= $11
    ORDER BY at, id
    LIMIT $12
    FOR UPDATE
)
UPDATE dead_letters
SET state = 'discarded', note = $8, changed_at = now()
FROM found
WHERE dead_letters.id = found.id
RETURNING dead_letters.id, dead_letters.at
