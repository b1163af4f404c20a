CREATE TABLE ledger (
    consumer_group text NOT NULL,
    event_id uuid NOT NULL,
    delivery integer NOT NULL,
    outgoing bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, event_id, delivery)
);
CREATE INDEX ledger_recorded_at_idx ON ledger USING brin (recorded_at);

CREATE TABLE timers (
    id uuid PRIMARY KEY,
    due_at timestamptz NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea,
    headers jsonb NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
CREATE INDEX timers_due_at_idx ON timers (due_at, id);
