-- Callbacks that nobody has waited for in their time, locked. $1 older_than interval, $2 held uuid[], $3 most bigint
SELECT id, vendor, letter
FROM callbacks
WHERE verdict = 'parked' AND parked_at < now() - $1::interval AND id <> ALL ($2)
ORDER BY parked_at
LIMIT $3
FOR UPDATE SKIP LOCKED
