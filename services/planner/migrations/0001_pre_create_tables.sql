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
    -- The records that the vendor's total announces; `shrank` if that went down, so that a record may have slipped past.
    expected bigint,
    shrank boolean NOT NULL DEFAULT false,
    -- Pages without new records, as far as they count: track/decide.py.
    barren integer NOT NULL DEFAULT 0,
    discovery_over boolean NOT NULL DEFAULT false,
    -- The number of the last failed task that was planned again, while a redrive goes on block by block.
    redriven_to integer,
    reason text NOT NULL DEFAULT '',
    -- Why the results of vendor jobs could not be walked to their end, by the numbers of their submits.
    cuts json NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    progressed_at timestamptz NOT NULL DEFAULT to_timestamp(0),
    ended_at timestamptz
);
CREATE INDEX jobs_running_idx ON jobs (vendor, priority, id) WHERE state = 'running';
CREATE INDEX jobs_paused_idx ON jobs (id) WHERE state = 'paused';
CREATE INDEX jobs_ended_idx ON jobs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL,
    round integer NOT NULL DEFAULT 0,
    vendor text NOT NULL,
    priority smallint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'planned' CHECK (
        state IN ('planned', 'released', 'started', 'waiting', 'retrying', 'stored', 'enqueued', 'completed',
                  'failed', 'dead', 'cancelled', 'expired')
    ),
    rank smallint NOT NULL DEFAULT 0,
    purpose text NOT NULL,
    call json NOT NULL,
    call_bytes integer NOT NULL DEFAULT 0,
    wanted json,
    position bigint NOT NULL,
    -- No page is planned twice under it.
    unique_key text,
    expects_list boolean NOT NULL DEFAULT false,
    digest text NOT NULL DEFAULT '',
    records integer,
    distinct_records integer,
    reason text NOT NULL DEFAULT '',
    ended_at timestamptz,
    -- Of the results of a vendor job: the number of its submit.
    slice integer,
    -- Of submits: what is known of each.
    input json,
    deadline_at timestamptz,
    submitted boolean NOT NULL DEFAULT false,
    vendor_job text,
    reported text,
    beat integer NOT NULL DEFAULT 0,
    ask integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX tasks_number_idx ON tasks (job_id, number);
CREATE UNIQUE INDEX tasks_unique_key_idx ON tasks (job_id, slice, unique_key) NULLS NOT DISTINCT
    WHERE unique_key IS NOT NULL;
CREATE INDEX tasks_slice_idx ON tasks (job_id, slice, number) WHERE slice IS NOT NULL;
-- What waits for a vendor, job by job: a look at what is next must not depend on how many jobs are open.
CREATE INDEX tasks_to_release_idx ON tasks (vendor, priority, job_id, number) WHERE state = 'planned';
CREATE INDEX tasks_outstanding_idx ON tasks (vendor) WHERE rank BETWEEN 1 AND 4 AND state <> 'waiting';
CREATE INDEX tasks_failed_by_number_idx ON tasks (job_id, number) WHERE state IN ('failed', 'dead', 'expired');

-- Orders to stop jobs that are still to come.
CREATE TABLE early_orders (
    order_id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX early_orders_job_idx ON early_orders (job_id);
