-- Ends open tasks of a job. Ranks: `TaskState`.
-- $1 job_id uuid
-- $2 least_rank smallint (1: not those that are only planned)
UPDATE tasks SET state = 'cancelled', rank = 9, ended_at = now()
WHERE job_id = $1 AND rank >= $2 AND rank < 9
RETURNING id, job_id, number, round, deadline_at, vendor_job,
    CASE WHEN purpose = 'submit' AND deadline_at IS NOT NULL THEN input END AS input
