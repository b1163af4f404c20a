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

-- Messages for later. Keys and headers are bytes, so that any message comes back as it was.
CREATE TABLE timers (
    id uuid PRIMARY KEY,
    due_at timestamptz NOT NULL,
    topic text NOT NULL,
    key bytea NOT NULL,
    value bytea,
    headers bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
CREATE INDEX timers_due_at_idx ON timers (due_at, id);

CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    document jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'failed')),
    anchor timestamptz NOT NULL,
    next_at timestamptz,
    due_at timestamptz,
    id_used boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX schedules_due_at_idx ON schedules (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE firings (
    id uuid PRIMARY KEY,
    schedule_id uuid NOT NULL,
    planned_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    due_at timestamptz,
    fired_at timestamptz,
    -- The job instead of which it runs.
    failed_job_id uuid
);
CREATE INDEX firings_by_schedule_idx ON firings (schedule_id);
CREATE INDEX firings_by_failed_job_idx ON firings (failed_job_id) WHERE failed_job_id IS NOT NULL;
CREATE INDEX firings_by_age_idx ON firings (fired_at);
