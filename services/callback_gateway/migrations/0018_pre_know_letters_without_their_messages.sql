-- Whether a letter came without its message, which was too large to be kept: it cannot be sent again.
ALTER TABLE dead_letters ADD COLUMN left_out boolean NOT NULL DEFAULT false;
