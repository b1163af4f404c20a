-- The tasks whose vendor jobs may call back.
CREATE TABLE expectations (
    task_id uuid PRIMARY KEY,
    job_id uuid NOT NULL,
    number integer NOT NULL,
    round integer NOT NULL,
    correlation_id uuid,
    vendor text NOT NULL,
    rules json NOT NULL,
    -- No callback by the vendor's job id that came before this is of the task's vendor job.
    since timestamptz NOT NULL DEFAULT 'epoch',
    deadline_at timestamptz NOT NULL,
    vendor_job text,
    over boolean NOT NULL DEFAULT false,
    reported text,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX expectations_by_vendor_job_idx ON expectations (vendor, vendor_job) WHERE vendor_job IS NOT NULL;
CREATE INDEX expectations_by_deadline_idx ON expectations (deadline_at);

CREATE TABLE callbacks (
    id uuid PRIMARY KEY,
    vendor text NOT NULL,
    task_id uuid,
    job_id uuid,
    round integer NOT NULL,
    vendor_job text,
    -- It named the vendor's job: it is for all tasks that wait for that one, not for one by its token.
    by_vendor_job boolean NOT NULL DEFAULT false,
    reported text,
    verdict text NOT NULL CHECK (verdict IN ('parked', 'accepted', 'duplicate', 'late', 'unknown')),
    received_at timestamptz NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    letter json
);
CREATE INDEX callbacks_parked_at_idx ON callbacks (parked_at) WHERE verdict = 'parked';
CREATE INDEX callbacks_kept_by_task_idx ON callbacks (task_id) WHERE letter IS NOT NULL;
CREATE INDEX callbacks_kept_by_vendor_job_idx ON callbacks (vendor, vendor_job) WHERE letter IS NOT NULL;
CREATE INDEX callbacks_outcomes_by_vendor_job_idx ON callbacks (vendor, vendor_job, received_at)
    WHERE by_vendor_job AND reported IN ('done', 'failed');
CREATE INDEX callbacks_by_task_idx ON callbacks (task_id);
CREATE INDEX callbacks_by_job_idx ON callbacks (job_id, id);
CREATE INDEX callbacks_received_at_idx ON callbacks (received_at);
