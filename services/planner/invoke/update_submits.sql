-- Writes submits as they are now. Ranks: `TaskState`.
-- $1 ids uuid[]
-- $2 states text[]
-- $3 ranks smallint[]
-- $4 deadline_at timestamptz[]
-- $5 submitted boolean[]
-- $6 vendor_jobs text[]
-- $7 reported text[]
-- $8 beats integer[]
-- $9 asks integer[]
-- $10 reasons text[]
UPDATE tasks
SET state = given.state,
    rank = given.rank,
    deadline_at = given.deadline_at,
    submitted = given.submitted,
    vendor_job = given.vendor_job,
    reported = given.reported,
    beat = given.beat,
    ask = given.ask,
    reason = given.reason,
    ended_at = CASE WHEN given.rank = 9 THEN now() END
FROM unnest(
    $1::uuid[], $2::text[], $3::smallint[], $4::timestamptz[], $5::boolean[], $6::text[], $7::text[], $8::integer[],
    $9::integer[], $10::text[]
) AS given (id, state, rank, deadline_at, submitted, vendor_job, reported, beat, ask, reason)
WHERE tasks.id = given.id AND tasks.rank < 9
