-- Locked first: dropping an index needs more than creating one, and a gateway at work would wait in between.
LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE;

-- By the beginning of the reason: reasons of letters that others wrote may be longer than an index takes.
CREATE INDEX dead_letters_open_by_reason_idx ON dead_letters (service, left(reason, 100)) WHERE state = 'open';
DROP INDEX dead_letters_open_idx;
