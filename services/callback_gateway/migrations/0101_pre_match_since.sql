-- No callback by the vendor's job id that came before this is of the task's vendor job.
ALTER TABLE expectations ADD COLUMN since timestamptz NOT NULL DEFAULT 'epoch';
