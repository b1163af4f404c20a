-- Ends calls. $1 ids uuid[], $2 outgoing bytea[], $3 fetcher_id uuid
UPDATE calls SET state = 'answered', claim = claim + 1, fetcher_id = $3, outgoing = given.outgoing
FROM unnest($1::uuid[], $2::bytea[]) AS given (id, outgoing)
WHERE calls.id = given.id
