-- Cancels a job, and counts so many of its tasks. $1 id uuid, $2 cancelled_tasks integer, $3 reason text
UPDATE jobs SET state = 'cancelled', open = open - $2, cancelled = cancelled + $2, reason = $3,
    ended_at = coalesce(ended_at, now())
WHERE id = $1
