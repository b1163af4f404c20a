-- A table for records, named {table}.
CREATE TABLE IF NOT EXISTS records.{table} (
    source text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    record jsonb NOT NULL,
    job_id uuid NOT NULL,
    previous_job_id uuid,
    task_id uuid NOT NULL,
    previous_task_id uuid,
    correlation_id uuid,
    fetched_at timestamptz NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, key)
)
