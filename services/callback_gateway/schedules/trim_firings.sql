-- Keeps the latest firings of schedules. $1 schedule_ids uuid[], $2 kept bigint
DELETE FROM firings
USING unnest($1::uuid[]) AS given (schedule_id)
WHERE firings.schedule_id = given.schedule_id
    AND firings.planned_at <= (
        SELECT planned_at
        FROM firings AS latest
        WHERE latest.schedule_id = given.schedule_id
        ORDER BY planned_at DESC
        LIMIT 1 OFFSET $2
    )
