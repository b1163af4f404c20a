-- Whether a page is to have a list of records, since one before it had; of pages planned before that is not known.
ALTER TABLE tasks ADD COLUMN expects_list boolean NOT NULL DEFAULT false;
