-- How many letters in these states fit, how many are held back (they came back too often, their jobs are cancelled,
-- they are configuration, or came without their messages), the first that are not, and the time of the latest.
-- $1 service text
-- $2 topics text[]
-- $3 reason text
-- $4 job_id uuid
-- $5 since timestamptz
-- $6 until timestamptz
-- $7 id uuid (null: any)
-- $8 redrives integer (null: none is held back)
-- $9 first bigint
-- $10 topics_of_state text[]
-- $11 states text[]
WITH found AS (
    SELECT id, at, $8::integer IS NULL OR (redrives < $8 AND topic <> ALL ($10::text[]) AND NOT left_out AND NOT (
        round IS NOT NULL AND EXISTS (SELECT FROM jobs WHERE jobs.id = dead_letters.job_id AND jobs.state = 'cancelled')
    )) AS free
    FROM dead_letters
    WHERE state = ANY ($11::text[])
        AND ($1::text IS NULL OR service = $1)
        AND ($2::text[] IS NULL OR topic = ANY ($2))
        AND ($3::text IS NULL OR (left(reason, 100) = left($3, 100) AND reason = $3))
        AND ($4::uuid IS NULL OR job_id = $4)
        AND ($5::timestamptz IS NULL OR at >= $5)
        AND ($6::timestamptz IS NULL OR at < $6)
        AND ($7::uuid IS NULL OR id = $7)
)
SELECT count(*) FILTER (WHERE free) AS count, count(*) FILTER (WHERE NOT free) AS held,
    ARRAY(SELECT id FROM found WHERE free ORDER BY at, id LIMIT $9) AS ids,
    coalesce(max(at), now()) AS latest_at
FROM found
