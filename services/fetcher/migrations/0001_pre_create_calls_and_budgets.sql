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

CREATE TABLE budgets (
    vendor text PRIMARY KEY,
    permits jsonb NOT NULL DEFAULT '{}',
    paused_until timestamptz NOT NULL DEFAULT to_timestamp(0),
    pace real NOT NULL DEFAULT 1 CHECK (pace > 0 AND pace <= 1),
    reason text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

CREATE TABLE fetchers (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE calls (
    id uuid PRIMARY KEY,
    task_id uuid NOT NULL,
    job_id uuid NOT NULL,
    vendor text NOT NULL,
    priority smallint NOT NULL,
    request bytea NOT NULL,
    origin jsonb NOT NULL,
    repeatable boolean NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'answered')),
    attempt integer NOT NULL DEFAULT 1,
    not_before timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    first_attempt_at timestamptz,
    limited_since timestamptz,
    fetcher_id uuid,
    claim integer NOT NULL DEFAULT 0,
    outgoing bytea
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX calls_waiting_idx ON calls (vendor, priority, created_at) WHERE state = 'waiting';
CREATE INDEX calls_claimed_idx ON calls (vendor, fetcher_id) WHERE state IN ('running', 'answered');

CREATE TABLE attempts (
    call_id uuid NOT NULL,
    task_id uuid NOT NULL,
    vendor text NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    seconds real NOT NULL,
    egress text NOT NULL,
    status smallint,
    verdict text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX attempts_started_at_idx ON attempts USING brin (started_at);
