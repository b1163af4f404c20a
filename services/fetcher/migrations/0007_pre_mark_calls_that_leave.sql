ALTER TABLE calls ADD COLUMN may_have_left boolean NOT NULL DEFAULT false;
-- The code of yesterday does not mark what it has claimed.
UPDATE calls SET may_have_left = true WHERE state = 'running';
