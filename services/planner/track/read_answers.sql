-- Notes answers that lead on, by their digests; gives the tasks whose answers had not been read. One without a digest is
-- given each time: it has led nowhere.
-- $1 ids uuid[]
-- $2 rounds integer[]
-- $3 digests text[]
UPDATE tasks
SET digest = given.digest
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS given (id, round, digest)
WHERE tasks.id = given.id AND tasks.round = given.round AND tasks.digest = ''
RETURNING tasks.id, tasks.round
