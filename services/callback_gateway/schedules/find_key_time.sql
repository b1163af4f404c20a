-- When an idempotency key was first used with this body. $1 key text, $2 fingerprint bytea
SELECT created_at FROM idempotency_keys WHERE key = $1 AND fingerprint = $2
