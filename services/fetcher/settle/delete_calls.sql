-- Forgets calls that were reported. $1 ids uuid[]
DELETE FROM calls WHERE id = ANY ($1) AND state = 'answered'
