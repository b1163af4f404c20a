-- Where a job's records go; whether all of its tasks are known; what was done of late, in how many seconds.
ALTER TABLE jobs
    ADD COLUMN sinks jsonb,
    ADD COLUMN all_known boolean NOT NULL DEFAULT false,
    ADD COLUMN lately_done double precision NOT NULL DEFAULT 0,
    ADD COLUMN lately_seconds double precision NOT NULL DEFAULT 0;
