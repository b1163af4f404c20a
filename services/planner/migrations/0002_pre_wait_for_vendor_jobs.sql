ALTER TABLE tasks
    ADD COLUMN slice integer,
    ADD COLUMN input json,
    ADD COLUMN deadline_at timestamptz,
    ADD COLUMN submitted boolean NOT NULL DEFAULT false,
    ADD COLUMN vendor_job text,
    ADD COLUMN told text,
    ADD COLUMN beat integer NOT NULL DEFAULT 0,
    ADD COLUMN ask integer NOT NULL DEFAULT 0;

DROP INDEX tasks_cursor_idx;
CREATE UNIQUE INDEX tasks_cursor_idx ON tasks (job_id, slice, cursor) NULLS NOT DISTINCT WHERE cursor IS NOT NULL;
CREATE INDEX tasks_slice_idx ON tasks (job_id, slice, number) WHERE slice IS NOT NULL;

DROP INDEX tasks_outstanding_idx;
CREATE INDEX tasks_outstanding_idx ON tasks (vendor) WHERE rank BETWEEN 1 AND 4 AND state <> 'waiting';
