-- Whether a callback named the vendor's job, so that it is for all tasks that wait for that one, and not one by its token.
ALTER TABLE callbacks ADD COLUMN by_vendor_job boolean NOT NULL DEFAULT false;
CREATE INDEX callbacks_outcomes_by_vendor_job_idx ON callbacks (vendor, vendor_job, received_at)
    WHERE by_vendor_job AND told IN ('done', 'failed');
