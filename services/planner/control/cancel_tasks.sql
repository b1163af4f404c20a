-- Ends every open task of a job. $1 job_id uuid
UPDATE tasks SET state = 'cancelled', rank = 9, ended_at = now()
WHERE job_id = $1 AND rank < 9
RETURNING id, job_id, number, round, purpose, call, wanted, position, cursor, slice, input, deadline_at, vendor_job
