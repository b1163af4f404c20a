-- Sources by name. $1 ids text[]
SELECT id, document FROM sources WHERE id = ANY ($1)
