-- An idempotency key. $1 key text
SELECT fingerprint, job_id FROM idempotency_keys WHERE key = $1
