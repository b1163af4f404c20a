-- Up to which task the failed ones of a job have been planned again, while that goes on block by block.
ALTER TABLE jobs ADD COLUMN redriven_to integer;
