ALTER TABLE calls ADD COLUMN outlives boolean NOT NULL DEFAULT false;
