-- Writes submits as they are now. $1 ids uuid[], $2 states text[], $3 ranks smallint[], $4 submitted boolean[], $5 vendor_jobs text[], $6 told text[], $7 beats integer[], $8 asks integer[], $9 reasons text[]
UPDATE tasks
SET state = given.state,
    rank = given.rank,
    submitted = given.submitted,
    vendor_job = given.vendor_job,
    told = given.told,
    beat = given.beat,
    ask = given.ask,
    reason = given.reason,
    ended_at = CASE WHEN given.rank = 9 THEN now() END
FROM unnest(
    $1::uuid[], $2::text[], $3::smallint[], $4::boolean[], $5::text[], $6::text[], $7::integer[], $8::integer[],
    $9::text[]
) AS given (id, state, rank, submitted, vendor_job, told, beat, ask, reason)
WHERE tasks.id = given.id AND tasks.rank < 9
