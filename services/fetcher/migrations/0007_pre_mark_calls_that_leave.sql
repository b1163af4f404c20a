-- True for what the code of yesterday has claimed: it does not mark.
ALTER TABLE calls ADD COLUMN may_have_left boolean NOT NULL DEFAULT true;
