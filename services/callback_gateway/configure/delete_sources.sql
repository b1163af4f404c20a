-- Deletes sources. $1 ids text[]
DELETE FROM sources WHERE id = ANY ($1)
