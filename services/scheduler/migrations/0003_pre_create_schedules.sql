CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    document jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'failed')),
    anchor timestamptz NOT NULL,
    next_at timestamptz,
    due_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX schedules_due_at_idx ON schedules (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE firings (
    id uuid PRIMARY KEY,
    schedule_id uuid NOT NULL,
    planned_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    due_at timestamptz,
    fired_at timestamptz
);
CREATE INDEX firings_by_schedule_idx ON firings (schedule_id);
CREATE INDEX firings_by_age_idx ON firings (fired_at);
