-- Forgets old attempts. $1 older_than interval, $2 most bigint
DELETE FROM attempts
WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempts WHERE started_at < now() - $1::interval LIMIT $2))
