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

CREATE TABLE sources (
    id text PRIMARY KEY,
    document json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE hooks (
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
    correlation_id uuid,
    vendor text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    sinks jsonb,
    note text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    mistakes jsonb,
    failures jsonb,
    answer jsonb,
    planned integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    -- How many of those that failed ended so, once the job is over.
    dead integer NOT NULL DEFAULT 0,
    expired integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    records bigint NOT NULL DEFAULT 0,
    distinct_records bigint NOT NULL DEFAULT 0,
    expected bigint,
    complete boolean,
    -- Whether all of its tasks are known; what was done of late, in how many seconds.
    all_known boolean NOT NULL DEFAULT false,
    lately_done double precision NOT NULL DEFAULT 0,
    lately_seconds double precision NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- The time of the event by which the row stands as it does.
    reported_at timestamptz,
    ended_at timestamptz,
    redrive_asked_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX jobs_by_time_idx ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_by_state_and_time_idx ON jobs (state, created_at DESC, id DESC);
CREATE INDEX jobs_by_correlation_and_time_idx ON jobs (correlation_id, created_at DESC, id DESC)
    WHERE correlation_id IS NOT NULL;
CREATE INDEX jobs_ended_idx ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_answered_idx ON jobs (ended_at) WHERE answer ? 'body';

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
    vendor_job text,
    attempts jsonb NOT NULL,
    times jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX tasks_by_job_idx ON tasks (job_id, number);
