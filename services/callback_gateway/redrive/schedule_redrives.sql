-- Schedules a page of open letters to be sent again, the oldest first: at once, or one in each interval, behind the turns
-- that their order has; returns them.
-- $1 service text
-- $2 topics text[]
-- $3 reason text
-- $4 job_id uuid
-- $5 since timestamptz
-- $6 until timestamptz
-- $7 id uuid (null: any)
-- $8 redrives integer
-- $9 apart interval (nothing: at once)
-- $10 topics_of_state text[]
-- $11 after_at timestamptz
-- $12 after_id uuid
-- $13 latest_at timestamptz
-- $14 most bigint
-- $15 order_id uuid (null: none)
WITH found AS (
    SELECT id, at
    FROM dead_letters
    WHERE state = 'open'
        AND ($1::text IS NULL OR service = $1)
        AND ($2::text[] IS NULL OR topic = ANY ($2))
        AND ($3::text IS NULL OR (left(reason, 100) = left($3, 100) AND reason = $3))
        AND ($4::uuid IS NULL OR job_id = $4)
        AND ($5::timestamptz IS NULL OR at >= $5)
        AND ($6::timestamptz IS NULL OR at < $6)
        AND ($7::uuid IS NULL OR id = $7)
        AND (redrives < $8 AND topic <> ALL ($10::text[]) AND NOT left_out AND NOT (
            round IS NOT NULL
            AND EXISTS (SELECT FROM jobs WHERE jobs.id = dead_letters.job_id AND jobs.state = 'cancelled')
        ))
        AND (at, id) > ($11, $12)
        AND at <= $13
    ORDER BY at, id
    LIMIT $14
    FOR UPDATE
), placed AS (
    SELECT id, row_number() OVER (ORDER BY at, id) - 1 AS place FROM found
), last AS (
    SELECT max(due_at) AS due_at FROM dead_letters WHERE state = 'redriving' AND order_id = $15
)
UPDATE dead_letters
SET state = 'redriving',
    note = '',
    due_at = greatest(now(), last.due_at + $9::interval) + placed.place * $9::interval,
    order_id = $15,
    apart = $9,
    changed_at = now()
FROM placed, last
WHERE dead_letters.id = placed.id
RETURNING dead_letters.id, dead_letters.at
