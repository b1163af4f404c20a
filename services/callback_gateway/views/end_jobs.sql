-- Jobs that are over; the end of one may be reported before its beginning, but an end that comes behind later progress
-- is that of an earlier round. By less than `almost` it is no later.
-- $1 ids uuid[]
-- $2 states text[]
-- $3 planned integer[]
-- $4 completed integer[]
-- $5 failed integer[]
-- $6 cancelled integer[]
-- $7 records bigint[]
-- $8 distinct_records bigint[]
-- $9 at timestamptz[]
-- $10 reasons text[]
-- $11 expected bigint[]
-- $12 complete boolean[]
-- $13 answers jsonb[]
-- $14 failures jsonb[]
-- $15 dead integer[]
-- $16 expired integer[]
-- $17 almost interval
INSERT INTO jobs AS known (
    id, state, planned, completed, failed, cancelled, records, distinct_records, reason, expected, complete, answer,
    failures, dead, expired, created_at, ended_at, updated_at
)
SELECT id, state, planned, completed, failed, cancelled, records, distinct_records, reason, expected, complete, answer,
    failures, dead, expired, at, at, at
FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[],
    $9::timestamptz[], $10::text[], $11::bigint[], $12::boolean[], $13::jsonb[], $14::jsonb[],
    $15::integer[], $16::integer[]
) AS given (
    id, state, planned, completed, failed, cancelled, records, distinct_records, at, reason, expected, complete, answer,
    failures, dead, expired
)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state,
    planned = excluded.planned,
    completed = excluded.completed,
    failed = excluded.failed,
    cancelled = excluded.cancelled,
    records = excluded.records,
    distinct_records = excluded.distinct_records,
    reason = excluded.reason,
    expected = excluded.expected,
    complete = excluded.complete,
    answer = excluded.answer,
    failures = excluded.failures,
    dead = excluded.dead,
    expired = excluded.expired,
    ended_at = excluded.ended_at,
    redrive_asked_at = NULL,
    updated_at = excluded.updated_at
WHERE (known.ended_at IS NULL OR known.ended_at < excluded.ended_at)
    AND (known.reported_at IS NULL OR known.reported_at <= excluded.ended_at + $17::interval)
