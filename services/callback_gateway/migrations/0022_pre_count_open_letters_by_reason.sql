-- By the beginning of the reason: reasons of letters that others wrote may be longer than an index takes.
CREATE INDEX dead_letters_open_by_reason_idx ON dead_letters (service, left(reason, 100)) WHERE state = 'open';
DROP INDEX dead_letters_open_idx;
