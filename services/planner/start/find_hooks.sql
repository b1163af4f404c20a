-- Hooks by name. $1 ids text[]
SELECT id, document FROM hooks WHERE id = ANY ($1)
