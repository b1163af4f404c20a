-- The timers whose time has come, locked, the earliest first. $1 most bigint
-- statement_timestamp() bounds the index scan; clock_timestamp() is volatile and would read all that is pending.
SELECT id, due_at, topic, key, value, headers, extract(epoch FROM statement_timestamp() - due_at)::float8 AS lateness
FROM timers
WHERE due_at <= statement_timestamp()
ORDER BY due_at, id
LIMIT $1
FOR UPDATE SKIP LOCKED
