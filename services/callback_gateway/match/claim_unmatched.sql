-- Callbacks that nobody has waited for in their time, locked. $1 older_than interval, $2 most bigint
SELECT id, vendor, letter
FROM callbacks
WHERE verdict = 'parked' AND received_at < now() - $1::interval
ORDER BY received_at
LIMIT $2
FOR UPDATE SKIP LOCKED
