CREATE TABLE paused_jobs (
    job_id uuid PRIMARY KEY,
    paused boolean NOT NULL,
    told_at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
