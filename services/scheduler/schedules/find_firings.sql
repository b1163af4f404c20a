-- The open firings of schedules, in the order of their planned times. $1 schedule_ids uuid[]
SELECT id, schedule_id, planned_at, attempt, due_at, failed_job_id
FROM firings
WHERE schedule_id = ANY ($1)
ORDER BY planned_at, id
