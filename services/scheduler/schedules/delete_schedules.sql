-- Deletes schedules. $1 ids uuid[]
DELETE FROM schedules WHERE id = ANY ($1)
