-- Tasks as a batch leaves them; (round, rank) never goes back. $1 ids uuid[], $2 job_ids uuid[], $3 numbers integer[], $4 rounds integer[], $5 states text[], $6 ranks smallint[], $7 records integer[], $8 reasons text[], $9 attempts jsonb[], $10 times jsonb[]
INSERT INTO tasks AS kept (id, job_id, number, round, state, rank, records, reason, attempts, times)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::smallint[], $7::integer[], $8::text[],
    $9::jsonb[], $10::jsonb[]
)
ON CONFLICT (id) DO UPDATE
SET state = CASE WHEN (excluded.round, excluded.rank) >= (kept.round, kept.rank) THEN excluded.state ELSE kept.state END,
    reason = CASE WHEN (excluded.round, excluded.rank) >= (kept.round, kept.rank) THEN excluded.reason ELSE kept.reason END,
    rank = CASE WHEN excluded.round > kept.round THEN excluded.rank
        WHEN excluded.round = kept.round THEN greatest(excluded.rank, kept.rank) ELSE kept.rank END,
    round = greatest(excluded.round, kept.round),
    records = coalesce(excluded.records, kept.records),
    attempts = kept.attempts || excluded.attempts,
    times = kept.times || excluded.times
