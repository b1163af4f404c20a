-- The schedules for which there is something to do, locked, the earliest first. $1 most bigint
SELECT id, document, state, anchor, next_at, id_used
FROM schedules
WHERE due_at <= statement_timestamp()
ORDER BY due_at, id
LIMIT $1
FOR UPDATE SKIP LOCKED
