ALTER TABLE tasks ADD COLUMN changed_at timestamptz NOT NULL DEFAULT '-infinity';

CREATE INDEX spool_by_key_idx ON spool (topic, key);

CREATE INDEX idempotency_keys_by_age_idx ON idempotency_keys (created_at);
