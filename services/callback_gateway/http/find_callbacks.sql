-- Callbacks of a job, the oldest first. $1 job_id uuid, $2 after uuid (null: from the first), $3 most bigint
SELECT id, vendor, task_id, round, vendor_job, reported, verdict, received_at
FROM callbacks
WHERE job_id = $1 AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3
