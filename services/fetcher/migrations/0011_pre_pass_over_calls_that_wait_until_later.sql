-- With not_before in the index, calls of a receiver that is gone, which may wait for hours, are passed over there.
DROP INDEX calls_waiting_idx;
CREATE INDEX calls_waiting_idx ON calls (vendor, priority, created_at, not_before) WHERE state = 'waiting';
