CREATE TABLE ledger (
    consumer_group text NOT NULL,
    event_id uuid NOT NULL,
    delivery integer NOT NULL,
    outgoing bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, event_id, delivery)
);
CREATE INDEX ledger_recorded_at_idx ON ledger USING brin (recorded_at);

CREATE TABLE vendors (
    id text PRIMARY KEY,
    document json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sources (
    id text PRIMARY KEY,
    document json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    state text NOT NULL CHECK (
        state IN ('requested', 'accepted', 'running', 'paused', 'completed', 'completed_with_failures', 'failed',
                  'cancelled', 'rejected')
    ),
    kind text NOT NULL DEFAULT 'poll',
    vendor text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    specification jsonb,
    note text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    mistakes jsonb,
    planned integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    records bigint NOT NULL DEFAULT 0,
    distinct_records bigint NOT NULL DEFAULT 0,
    expected bigint,
    complete boolean,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX jobs_by_state_idx ON jobs (state, id DESC);

CREATE TABLE job_events (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX job_events_by_job_idx ON job_events (job_id, sequence);

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    number integer NOT NULL,
    round integer NOT NULL,
    state text NOT NULL,
    rank smallint NOT NULL,
    records integer,
    reason text NOT NULL,
    attempts jsonb NOT NULL,
    times jsonb NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX tasks_by_job_idx ON tasks (job_id, number);

CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    job_id uuid,
    task_id uuid,
    at timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX dead_letters_by_time_idx ON dead_letters (at DESC, id);
CREATE INDEX dead_letters_by_job_idx ON dead_letters (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE spool (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea,
    headers jsonb NOT NULL,
    spooled_at timestamptz NOT NULL DEFAULT now()
);
