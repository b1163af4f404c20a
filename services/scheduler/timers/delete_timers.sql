-- Deletes timers. $1 ids uuid[]
DELETE FROM timers WHERE id = ANY ($1)
