-- Calls that wait after a fetcher ended with them, the one that waits longest first.
CREATE INDEX calls_taken_over_idx ON calls (vendor, not_before) WHERE state = 'waiting' AND taken_from <> '{}';
