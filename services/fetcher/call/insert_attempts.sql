-- Logs attempts. $1 call_ids uuid[], $2 task_ids uuid[], $3 vendors text[], $4 attempts integer[], $5 started_at timestamptz[], $6 seconds real[], $7 egresses text[], $8 statuses smallint[], $9 verdicts text[], $10 reasons text[]
INSERT INTO attempts (call_id, task_id, vendor, attempt, started_at, seconds, egress, status, verdict, reason)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::timestamptz[], $6::real[], $7::text[], $8::smallint[],
    $9::text[], $10::text[]
)
