-- Callbacks that nobody has waited for in their time, locked. $1 older_than interval, $2 held uuid[], $3 most bigint
SELECT id, vendor, letter
FROM callbacks
WHERE verdict = 'parked' AND received_at < now() - $1::interval AND id <> ALL ($2)
ORDER BY received_at
LIMIT $3
FOR UPDATE SKIP LOCKED
