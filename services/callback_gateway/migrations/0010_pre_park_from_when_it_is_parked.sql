ALTER TABLE callbacks ADD COLUMN parked_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX callbacks_parked_at_idx ON callbacks (parked_at) WHERE verdict = 'parked';
CREATE INDEX callbacks_kept_by_task_idx ON callbacks (task_id) WHERE letter IS NOT NULL;
CREATE INDEX callbacks_kept_by_vendor_job_idx ON callbacks (vendor, vendor_job) WHERE letter IS NOT NULL;
DROP INDEX callbacks_parked_by_task_idx, callbacks_parked_by_vendor_job_idx, callbacks_parked_by_time_idx;
