-- Deletes vendors. $1 ids text[]
DELETE FROM vendors WHERE id = ANY ($1)
