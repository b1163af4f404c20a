-- Letters that were sent again. $1 ids uuid[]
UPDATE dead_letters SET state = 'redriven', changed_at = now() WHERE id = ANY ($1)
