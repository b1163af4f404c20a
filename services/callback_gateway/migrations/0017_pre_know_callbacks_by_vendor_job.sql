-- Whether a callback named the vendor's job, so that it is for all tasks that wait for that one, and not one by its token.
ALTER TABLE callbacks ADD COLUMN by_vendor_job boolean NOT NULL DEFAULT false;
