ALTER TABLE jobs ADD COLUMN failures jsonb;
