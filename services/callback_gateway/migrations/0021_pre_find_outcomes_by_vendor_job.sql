-- By itself, as all callbacks are read: whoever adds a column keeps everybody else from the table meanwhile.
CREATE INDEX callbacks_outcomes_by_vendor_job_idx ON callbacks (vendor, vendor_job, received_at)
    WHERE by_vendor_job AND told IN ('done', 'failed');
