-- Deletes firings that are over. $1 ids uuid[]
DELETE FROM firings WHERE id = ANY ($1)
