-- Deletes hooks. $1 ids text[]
DELETE FROM hooks WHERE id = ANY ($1)
