-- The events that a consumer group has handled, each with what it sent; see docs/decisions/0001.
CREATE TABLE ledger (
    consumer_group text NOT NULL,
    event_id uuid NOT NULL,
    delivery integer NOT NULL,
    outgoing bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, event_id, delivery)
);
-- Configuration is never forgotten: its rows would be read again at each step that forgets others.
CREATE INDEX ledger_by_time_idx ON ledger (recorded_at) WHERE consumer_group NOT LIKE 'configure%';

-- The configuration topics, as far as they were read.
CREATE TABLE vendors (
    id text PRIMARY KEY,
    document json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Where the contract with a vendor stands. Its lock is the authority: who holds it leases permits and claims calls.
CREATE TABLE budgets (
    vendor text PRIMARY KEY,
    permits jsonb NOT NULL DEFAULT '{}',
    paused_until timestamptz NOT NULL DEFAULT to_timestamp(0),
    pace real NOT NULL DEFAULT 1 CHECK (pace > 0 AND pace <= 1),
    refused_credentials integer NOT NULL DEFAULT 0,
    -- Faults in a row of the vendor as a whole, and the time of the first of them.
    faults integer NOT NULL DEFAULT 0,
    failing_since timestamptz
) WITH (fillfactor = 50);
CREATE INDEX budgets_paused_until_idx ON budgets (paused_until);

CREATE TABLE fetchers (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now(),
    stopped boolean NOT NULL DEFAULT false
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
    -- Made although its job was cancelled or paused.
    outlives boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'answered')),
    attempt integer NOT NULL DEFAULT 1,
    not_before timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    first_attempt_at timestamptz,
    limited_since timestamptz,
    fetcher_id uuid,
    claim integer NOT NULL DEFAULT 0,
    may_have_left boolean NOT NULL DEFAULT false,
    -- The fetchers that ended while the call was open, one after the other.
    taken_from uuid[] NOT NULL DEFAULT '{}',
    outgoing bytea
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
-- With not_before in the index, calls of a receiver that is gone, which may wait for hours, are passed over there.
CREATE INDEX calls_waiting_idx ON calls (vendor, priority, created_at, not_before) WHERE state = 'waiting';
-- Calls that wait after a fetcher ended with them, the one that waits longest first.
CREATE INDEX calls_taken_over_idx ON calls (vendor, not_before) WHERE state = 'waiting' AND taken_from <> '{}';
CREATE INDEX calls_waiting_job_idx ON calls (job_id) WHERE state = 'waiting';
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
CREATE INDEX attempts_started_at_idx ON attempts (started_at);

CREATE TABLE cancelled_jobs (
    job_id uuid PRIMARY KEY,
    cancelled_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE paused_jobs (
    job_id uuid PRIMARY KEY,
    paused boolean NOT NULL,
    reported_at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
