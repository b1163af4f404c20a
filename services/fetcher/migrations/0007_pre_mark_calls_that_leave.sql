ALTER TABLE calls ADD COLUMN may_have_left boolean NOT NULL DEFAULT false;
