-- Not by reason, too: those of letters that others wrote may be longer than an index takes.
CREATE INDEX dead_letters_open_idx ON dead_letters (service) WHERE state = 'open';
