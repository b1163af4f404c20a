-- Forgets old attempts, the oldest first. $1 older_than interval, $2 most bigint
DELETE FROM attempts
WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempts WHERE started_at < now() - $1::interval ORDER BY started_at LIMIT $2))
