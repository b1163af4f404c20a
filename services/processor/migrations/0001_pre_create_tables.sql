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

-- Payloads that are kept for a while, and deleted then.
CREATE TABLE expiries (
    uri text PRIMARY KEY,
    due_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX expiries_due_at_idx ON expiries (due_at);

-- The keys that a job has brought so far, for its count of distinct records; forgotten some time after its end.
CREATE TABLE job_keys (
    job_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    task_id uuid NOT NULL,
    PRIMARY KEY (job_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE TABLE keyed_jobs (
    job_id uuid PRIMARY KEY,
    due_at timestamptz NOT NULL
);
CREATE INDEX keyed_jobs_due_at_idx ON keyed_jobs (due_at);
