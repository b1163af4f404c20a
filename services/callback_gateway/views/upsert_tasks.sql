-- Tasks as a batch leaves them; (round, rank) never goes back, of two ends the first counts, attempts are the last
-- hundred.
-- $1 ids uuid[]
-- $2 job_ids uuid[]
-- $3 numbers integer[]
-- $4 rounds integer[]
-- $5 states text[]
-- $6 ranks smallint[]
-- $7 records integer[]
-- $8 reasons text[]
-- $9 attempts jsonb[]
-- $10 times jsonb[]
-- $11 changed_at timestamptz[]
-- $12 vendor_jobs text[]
INSERT INTO tasks AS kept (
    id, job_id, number, round, state, rank, records, reason, attempts, times, changed_at, vendor_job
)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::smallint[], $7::integer[], $8::text[],
    $9::jsonb[], $10::jsonb[], $11::timestamptz[], $12::text[]
)
ON CONFLICT (id) DO UPDATE
SET (round, rank, state, reason, changed_at) = (
        SELECT ahead.round, ahead.rank, ahead.state, ahead.reason, ahead.changed_at
        FROM (
            VALUES (kept.round, kept.rank, kept.state, kept.reason, kept.changed_at),
                (excluded.round, excluded.rank, excluded.state, excluded.reason, excluded.changed_at)
        ) AS ahead (round, rank, state, reason, changed_at)
        ORDER BY ahead.round DESC, ahead.rank DESC, CASE WHEN ahead.rank = 9 THEN ahead.changed_at END,
            ahead.changed_at DESC
        LIMIT 1
    ),
    records = coalesce(excluded.records, kept.records),
    attempts = CASE WHEN jsonb_array_length(kept.attempts) + jsonb_array_length(excluded.attempts) <= 100
        THEN kept.attempts || excluded.attempts
        ELSE jsonb_path_query_array(kept.attempts || excluded.attempts, '$[last - 99 to last]') END,
    times = kept.times || excluded.times,
    vendor_job = CASE WHEN excluded.round = kept.round THEN coalesce(excluded.vendor_job, kept.vendor_job)
        WHEN excluded.round > kept.round THEN excluded.vendor_job
        ELSE kept.vendor_job END
