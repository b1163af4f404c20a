-- When what is shown of a job was said.
ALTER TABLE jobs ADD COLUMN told_at timestamptz;
