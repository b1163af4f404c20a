CREATE TABLE cancelled_jobs (
    job_id uuid PRIMARY KEY,
    cancelled_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX calls_waiting_job_idx ON calls (job_id) WHERE state = 'waiting';
