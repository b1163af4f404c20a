-- These answers have lost their bodies. $1 ids uuid[]
UPDATE jobs SET answer = answer - 'body' || '{"expired": true}' WHERE id = ANY ($1)
