-- Payloads whose time is over, locked. $1 most bigint
SELECT uri FROM expiries WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
