-- Deletes schedules that went a month ago, with their firings; gives how many they were. $1 most bigint
WITH gone AS (
    DELETE FROM schedules
    WHERE id IN (
        SELECT id FROM schedules
        WHERE state IN ('removed', 'rejected') AND changed_at < now() - interval '30 days'
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
), fired AS (
    DELETE FROM firings USING gone WHERE firings.schedule_id = gone.id
)
SELECT count(*) FROM gone
