-- Open firings.
-- $1 ids uuid[]
-- $2 schedule_ids uuid[]
-- $3 planned_at timestamptz[]
-- $4 attempts integer[]
-- $5 due_at timestamptz[]
-- $6 failed_job_ids uuid[]
-- $7 fired_at timestamptz
INSERT INTO firings (id, schedule_id, planned_at, attempt, due_at, failed_job_id, fired_at)
SELECT
    id, schedule_id, planned_at, attempt, due_at, failed_job_id, CASE WHEN due_at IS NULL THEN $7::timestamptz END
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::timestamptz[], $6::uuid[])
    AS given (id, schedule_id, planned_at, attempt, due_at, failed_job_id)
ON CONFLICT (id) DO UPDATE
SET due_at = excluded.due_at, fired_at = excluded.fired_at
