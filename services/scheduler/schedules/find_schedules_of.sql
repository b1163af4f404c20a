-- The schedules that started these jobs, those of failed jobs as long as their next run waits. $1 job_ids uuid[]
SELECT schedule_id FROM firings WHERE id = ANY ($1)
UNION
SELECT schedule_id FROM firings WHERE failed_job_id = ANY ($1) AND due_at IS NOT NULL
