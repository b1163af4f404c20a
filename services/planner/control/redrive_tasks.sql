-- Plans failed tasks of a job again; what an answer led to was planned when it was first read.
-- $1 job_id uuid
-- $2 ids uuid[]
UPDATE tasks
SET state = 'planned', rank = 0, round = round + 1, reason = '', ended_at = NULL,
    wanted = CASE WHEN digest = '' THEN wanted END,
    priority = (SELECT jobs.priority FROM jobs WHERE jobs.id = $1),
    deadline_at = NULL, submitted = false, vendor_job = NULL, reported = NULL, beat = 0, ask = 0
WHERE id = ANY ($2) AND job_id = $1 AND state IN ('failed', 'dead', 'expired')
RETURNING id, job_id, number, round, slice, wanted IS NOT NULL AS leads_on
