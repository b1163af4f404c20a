-- Logs attempts; those that may be there are looked for first.
-- $1 call_ids uuid[]
-- $2 task_ids uuid[]
-- $3 vendors text[]
-- $4 attempts integer[]
-- $5 started_at timestamptz[]
-- $6 seconds real[]
-- $7 egresses text[]
-- $8 statuses smallint[]
-- $9 verdicts text[]
-- $10 reasons text[]
-- $11 perhaps_there boolean[]
INSERT INTO attempts (call_id, task_id, vendor, attempt, started_at, seconds, egress, status, verdict, reason)
SELECT call_id, task_id, vendor, attempt, started_at, seconds, egress, status, verdict, reason
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::timestamptz[], $6::real[], $7::text[], $8::smallint[],
    $9::text[], $10::text[], $11::boolean[]
) AS given (call_id, task_id, vendor, attempt, started_at, seconds, egress, status, verdict, reason, perhaps_there)
WHERE NOT given.perhaps_there OR NOT EXISTS (
    SELECT FROM attempts WHERE attempts.started_at = given.started_at AND attempts.call_id = given.call_id
)
