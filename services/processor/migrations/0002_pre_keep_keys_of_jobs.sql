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
