-- Tasks that wait; gives them as they are now. A later round begins anew, an earlier one means nothing; within a round
-- a wait only grows longer. `since` is that of the earliest round.
-- $1 task_ids uuid[]
-- $2 job_ids uuid[]
-- $3 numbers integer[]
-- $4 rounds integer[]
-- $5 vendors text[]
-- $6 rules json[]
-- $7 deadlines timestamptz[]
-- $8 vendor_jobs text[]
-- $9 over boolean[]
-- $10 since timestamptz[]
-- $11 correlation_ids uuid[]
INSERT INTO expectations AS kept (
    task_id, job_id, number, round, vendor, rules, deadline_at, vendor_job, over, since, correlation_id
)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::json[], $7::timestamptz[], $8::text[],
    $9::boolean[], $10::timestamptz[], $11::uuid[]
)
ON CONFLICT (task_id) DO UPDATE
SET round = excluded.round,
    rules = excluded.rules,
    deadline_at = CASE WHEN kept.round = excluded.round THEN greatest(excluded.deadline_at, kept.deadline_at)
        ELSE excluded.deadline_at END,
    vendor_job = CASE WHEN kept.round = excluded.round THEN coalesce(excluded.vendor_job, kept.vendor_job)
        ELSE excluded.vendor_job END,
    over = excluded.over OR (kept.over AND kept.round = excluded.round),
    reported = CASE WHEN kept.round = excluded.round THEN kept.reported END,
    since = least(kept.since, excluded.since),
    updated_at = now()
WHERE kept.round <= excluded.round
RETURNING task_id, job_id, number, round, correlation_id, vendor, rules, deadline_at, vendor_job, over, reported,
    updated_at, since,
    kept.vendor_job IS NULL AND EXISTS (
        SELECT FROM told_vendor_jobs AS told WHERE told.task_id = kept.task_id AND told.round = kept.round
    ) AS told_vendor_job
