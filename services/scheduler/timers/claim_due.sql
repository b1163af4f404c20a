-- The timers whose time has come, locked. $1 most bigint
SELECT id, due_at, topic, key, value, headers, extract(epoch FROM clock_timestamp() - due_at)::float8 AS lateness
FROM timers
WHERE due_at <= clock_timestamp()
ORDER BY due_at, id
LIMIT $1
FOR UPDATE SKIP LOCKED
