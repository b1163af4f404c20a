-- The schedules that started these jobs. $1 job_ids uuid[]
SELECT DISTINCT schedule_id FROM firings WHERE id = ANY ($1)
