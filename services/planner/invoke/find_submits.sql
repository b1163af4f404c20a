-- Submits and what is known of their vendor jobs, locked: one that is being released is waited for. $1 ids uuid[]
SELECT id, job_id, number, round, state, input, deadline_at, submitted, vendor_job, reported, beat, ask, reason
FROM tasks
WHERE id = ANY ($1) AND purpose = 'submit'
ORDER BY id
FOR UPDATE
