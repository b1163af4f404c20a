-- What was accepted while the broker did not answer.
CREATE TABLE spool (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea,
    headers jsonb NOT NULL,
    spooled_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spool_by_key_idx ON spool (topic, key);

CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_by_age_idx ON idempotency_keys (created_at);

CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    fingerprint bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_received_at_idx ON webhooks (received_at);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    revoked_at timestamptz
);
