-- Which of these vendors are configured. $1 ids text[]
SELECT id FROM vendors WHERE id = ANY ($1)
