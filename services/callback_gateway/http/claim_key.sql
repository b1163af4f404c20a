-- Claims an idempotency key; nothing if somebody was first. $1 key text, $2 fingerprint bytea, $3 job_id uuid
INSERT INTO idempotency_keys (key, fingerprint, job_id) VALUES ($1, $2, $3)
ON CONFLICT (key) DO NOTHING
RETURNING fingerprint, job_id
