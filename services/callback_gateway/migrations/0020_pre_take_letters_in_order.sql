-- In one order, so that the next letters behind one are found by it, from either end.
CREATE INDEX dead_letters_in_order_idx ON dead_letters (at, id);
DROP INDEX dead_letters_by_time_idx;
