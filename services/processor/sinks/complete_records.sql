-- What tables for records of earlier versions lack; this one is named {table}.
ALTER TABLE records.{table} ADD COLUMN IF NOT EXISTS previous_job_id uuid
