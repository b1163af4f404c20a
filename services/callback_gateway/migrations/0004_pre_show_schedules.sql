CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    name text,
    document jsonb,
    state text NOT NULL CHECK (state IN ('requested', 'active', 'paused', 'failed', 'removed', 'rejected')),
    next_at timestamptz,
    reason text NOT NULL DEFAULT '',
    mistakes jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 80);
CREATE INDEX schedules_by_time_idx ON schedules (created_at DESC, id DESC) WHERE state <> 'removed';
CREATE INDEX schedules_by_state_idx ON schedules (state, created_at DESC, id DESC);

CREATE TABLE firings (
    schedule_id uuid NOT NULL,
    planned_at timestamptz NOT NULL,
    attempt integer NOT NULL,
    rank smallint NOT NULL,
    verdict text NOT NULL,
    job_id uuid,
    reason text NOT NULL,
    fired_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (schedule_id, planned_at)
) WITH (fillfactor = 80);
