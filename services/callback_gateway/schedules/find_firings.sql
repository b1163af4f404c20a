-- The firings of a schedule, newest first. $1 schedule_id uuid, $2 most bigint
SELECT planned_at, attempt, verdict, job_id, reason, fired_at, ended_at
FROM firings
WHERE schedule_id = $1
ORDER BY planned_at DESC
LIMIT $2
