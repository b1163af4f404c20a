-- Forgets old callbacks that were judged. $1 older_than interval, $2 most bigint
DELETE FROM callbacks
WHERE id IN (
    SELECT id FROM callbacks
    WHERE received_at < now() - $1::interval AND verdict <> 'parked'
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
