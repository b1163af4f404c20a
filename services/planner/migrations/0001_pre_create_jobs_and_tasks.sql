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
        state IN ('running', 'paused', 'completed', 'completed_with_failures', 'failed', 'cancelled')
    ),
    vendor text NOT NULL,
    priority smallint NOT NULL,
    specification json NOT NULL,
    planned integer NOT NULL,
    open integer NOT NULL CHECK (open >= 0),
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    records bigint NOT NULL DEFAULT 0,
    distinct_records bigint NOT NULL DEFAULT 0,
    expected bigint,
    barren integer NOT NULL DEFAULT 0,
    discovery_over boolean NOT NULL DEFAULT false,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    progressed_at timestamptz NOT NULL DEFAULT to_timestamp(0),
    ended_at timestamptz
);
CREATE INDEX jobs_running_by_vendor_idx ON jobs (vendor, priority) WHERE state = 'running';

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL,
    round integer NOT NULL DEFAULT 0,
    vendor text NOT NULL,
    state text NOT NULL DEFAULT 'planned' CHECK (
        state IN ('planned', 'released', 'started', 'waiting', 'retrying', 'stored', 'enqueued', 'completed',
                  'failed', 'dead', 'cancelled', 'expired')
    ),
    rank smallint NOT NULL DEFAULT 0,
    purpose text NOT NULL,
    call json NOT NULL,
    wanted json,
    position bigint NOT NULL,
    cursor text,
    digest text NOT NULL DEFAULT '',
    records integer,
    distinct_records integer,
    reason text NOT NULL DEFAULT '',
    released_at timestamptz,
    ended_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX tasks_cursor_idx ON tasks (job_id, cursor) WHERE cursor IS NOT NULL;
CREATE INDEX tasks_to_release_idx ON tasks (job_id, number) WHERE state = 'planned';
CREATE INDEX tasks_outstanding_idx ON tasks (vendor) WHERE rank BETWEEN 1 AND 4;
CREATE INDEX tasks_failed_idx ON tasks (job_id) WHERE state IN ('failed', 'dead', 'expired');
CREATE UNIQUE INDEX tasks_number_idx ON tasks (job_id, number);
