-- Firings as far as they have come.
-- $1 schedule_ids uuid[]
-- $2 planned_at timestamptz[]
-- $3 attempts integer[]
-- $4 ranks smallint[]
-- $5 verdicts text[]
-- $6 job_ids uuid[]
-- $7 reasons text[]
-- $8 fired_at timestamptz[]
-- $9 ended_at timestamptz[]
INSERT INTO firings AS known (schedule_id, planned_at, attempt, rank, verdict, job_id, reason, fired_at, ended_at)
SELECT *
FROM unnest(
    $1::uuid[], $2::timestamptz[], $3::integer[], $4::smallint[], $5::text[], $6::uuid[], $7::text[],
    $8::timestamptz[], $9::timestamptz[]
)
ON CONFLICT (schedule_id, planned_at) DO UPDATE
SET (attempt, rank, verdict, job_id, reason, ended_at) = (
        SELECT ahead.attempt, ahead.rank, ahead.verdict, ahead.job_id, ahead.reason, ahead.ended_at
        FROM (
            VALUES
            (excluded.attempt, excluded.rank, 1, excluded.verdict, excluded.job_id, excluded.reason, excluded.ended_at),
            (known.attempt, known.rank, 0, known.verdict, known.job_id, known.reason, known.ended_at)
        ) AS ahead (attempt, rank, newer, verdict, job_id, reason, ended_at)
        ORDER BY ahead.attempt DESC, ahead.rank DESC, ahead.newer DESC
        LIMIT 1
    ),
    fired_at = least(excluded.fired_at, known.fired_at)
