-- Ends a block of the planned tasks of a job: the next ones, so also those that are being released meanwhile.
-- Ranks: `TaskState`.
-- $1 vendor text
-- $2 priority smallint
-- $3 job_id uuid
-- $4 most bigint
UPDATE tasks SET state = 'cancelled', rank = 9, ended_at = now()
FROM (
    SELECT id FROM tasks
    WHERE vendor = $1 AND priority = $2 AND job_id = $3 AND state = 'planned'
    ORDER BY number
    LIMIT $4
) AS block
WHERE tasks.id = block.id AND tasks.rank < 9
RETURNING tasks.id, tasks.job_id, tasks.number, tasks.round, tasks.deadline_at, tasks.vendor_job,
    CASE WHEN tasks.purpose = 'submit' AND tasks.deadline_at IS NOT NULL THEN tasks.input END AS input
