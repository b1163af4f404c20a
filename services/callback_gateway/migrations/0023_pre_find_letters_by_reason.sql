-- By the beginning of the reason: reasons of letters that others wrote may be longer than an index takes.
CREATE INDEX dead_letters_by_reason_idx ON dead_letters (left(reason, 100), at, id);
