-- The fetchers that ended while the call was open, one after the other.
ALTER TABLE calls ADD COLUMN taken_from uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE fetchers ADD COLUMN stopped boolean NOT NULL DEFAULT false;
