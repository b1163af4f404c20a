-- Forgets one block of old webhooks. $1 older_than interval, $2 most bigint
DELETE FROM webhooks
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhooks WHERE received_at < now() - $1::interval ORDER BY received_at LIMIT $2
))
