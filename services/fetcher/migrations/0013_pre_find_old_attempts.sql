-- Ranges of a BRIN never narrow: once the room of deleted rows is used again, each holds old and new times for good, and
-- to find what is old all is read.
DROP INDEX attempts_started_at_idx;
CREATE INDEX attempts_started_at_idx ON attempts (started_at);
