-- Callbacks with their verdicts; what was parked or given up may be judged later, and what was given up be parked anew;
-- what one task had no use for may be accepted for another.
-- $1 ids uuid[]
-- $2 vendors text[]
-- $3 task_ids uuid[]
-- $4 job_ids uuid[]
-- $5 rounds integer[]
-- $6 vendor_jobs text[]
-- $7 reported text[]
-- $8 verdicts text[]
-- $9 received_at timestamptz[]
-- $10 letters json[]
-- $11 by_vendor_job boolean[]
INSERT INTO callbacks AS kept (
    id, vendor, task_id, job_id, round, vendor_job, reported, verdict, received_at, letter, by_vendor_job
)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::integer[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::json[], $11::boolean[]
)
ON CONFLICT (id) DO UPDATE
SET task_id = excluded.task_id,
    job_id = excluded.job_id,
    round = excluded.round,
    vendor_job = excluded.vendor_job,
    reported = excluded.reported,
    verdict = excluded.verdict,
    letter = excluded.letter,
    parked_at = CASE WHEN kept.verdict = 'unknown' THEN now() ELSE kept.parked_at END
WHERE kept.verdict IN ('parked', 'unknown')
    OR (kept.verdict IN ('duplicate', 'late') AND excluded.verdict = 'accepted')
