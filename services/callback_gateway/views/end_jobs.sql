-- Jobs that are over. $1 ids uuid[], $2 states text[], $3 planned integer[], $4 completed integer[], $5 failed integer[], $6 cancelled integer[], $7 records bigint[], $8 distinct_records bigint[], $9 at timestamptz[], $10 reasons text[], $11 expected bigint[], $12 complete boolean[], $13 answers jsonb[], $14 failures jsonb[]
UPDATE jobs
SET state = given.state,
    planned = given.planned,
    completed = given.completed,
    failed = given.failed,
    cancelled = given.cancelled,
    records = given.records,
    distinct_records = given.distinct_records,
    reason = given.reason,
    expected = given.expected,
    complete = given.complete,
    answer = given.answer,
    failures = given.failures,
    ended_at = given.at,
    redrive_asked_at = NULL,
    updated_at = given.at
FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[],
    $9::timestamptz[], $10::text[], $11::bigint[], $12::boolean[], $13::jsonb[], $14::jsonb[]
) AS given (
    id, state, planned, completed, failed, cancelled, records, distinct_records, at, reason, expected, complete, answer,
    failures
)
WHERE jobs.id = given.id AND (jobs.ended_at IS NULL OR jobs.ended_at < given.at)
