-- What tables for records of earlier versions lack; this one is named {table}.
ALTER TABLE records.{table}
    ADD COLUMN IF NOT EXISTS previous_job_id uuid,
    ADD COLUMN IF NOT EXISTS previous_task_id uuid,
    ADD COLUMN IF NOT EXISTS correlation_id uuid,
    ADD COLUMN IF NOT EXISTS fetched_at timestamptz NOT NULL DEFAULT to_timestamp(0)
