-- Writes jobs as they are now.
-- $1 ids uuid[]
-- $2 states text[]
-- $3 specifications json[] (null: unchanged)
-- $4 planned integer[]
-- $5 open integer[]
-- $6 completed integer[]
-- $7 failed integer[]
-- $8 cancelled integer[]
-- $9 records bigint[]
-- $10 distinct_records bigint[]
-- $11 expected bigint[]
-- $12 barren integer[]
-- $13 discovery_over boolean[]
-- $14 reasons text[]
-- $15 progressed boolean[]
-- $16 shrank boolean[]
-- $17 redriven_to integer[]
-- $18 cuts json[]
UPDATE jobs
SET state = given.state,
    specification = coalesce(given.specification, jobs.specification),
    planned = given.planned,
    open = given.open,
    completed = given.completed,
    failed = given.failed,
    cancelled = given.cancelled,
    records = given.records,
    distinct_records = given.distinct_records,
    expected = given.expected,
    barren = given.barren,
    discovery_over = given.discovery_over,
    reason = given.reason,
    shrank = given.shrank,
    redriven_to = given.redriven_to,
    cuts = given.cuts,
    progressed_at = CASE WHEN given.progressed THEN clock_timestamp() ELSE jobs.progressed_at END,
    ended_at = CASE WHEN given.state IN ('running', 'paused') THEN NULL ELSE coalesce(jobs.ended_at, now()) END
FROM unnest(
    $1::uuid[], $2::text[], $3::json[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], $8::integer[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[], $13::boolean[], $14::text[], $15::boolean[],
    $16::boolean[], $17::integer[], $18::json[]
) AS given (
    id, state, specification, planned, open, completed, failed, cancelled,
    records, distinct_records, expected, barren, discovery_over, reason, progressed, shrank, redriven_to, cuts
)
WHERE jobs.id = given.id
