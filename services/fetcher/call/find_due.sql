-- The next calls of a vendor, locked. $1 vendor text, $2 most bigint
SELECT id FROM calls
WHERE vendor = $1 AND state = 'waiting' AND not_before <= now()
ORDER BY priority, created_at
LIMIT $2
FOR UPDATE SKIP LOCKED
