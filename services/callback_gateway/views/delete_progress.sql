-- Forgets earlier progress of jobs. $1 job_ids uuid[]
DELETE FROM job_events WHERE job_id = ANY ($1) AND type = 'job.progressed'
