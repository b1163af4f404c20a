-- Whether the vendor's total went down while pages were read: then a record may have slipped past.
ALTER TABLE jobs ADD COLUMN shrank boolean NOT NULL DEFAULT false;
