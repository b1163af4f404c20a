-- Lets timers be due again a little later. $1 ids uuid[], $2 wait interval
UPDATE timers SET due_at = clock_timestamp() + $2::interval WHERE id = ANY ($1)
