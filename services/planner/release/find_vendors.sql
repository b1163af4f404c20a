-- Vendors by name. $1 ids text[]
SELECT id, document FROM vendors WHERE id = ANY ($1)
