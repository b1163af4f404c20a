-- Calls that are about to leave, if they are still this fetcher's; gives those. $1 fetcher_id uuid, $2 ids uuid[], $3 claims integer[]
UPDATE calls
SET may_have_left = true
FROM unnest($2::uuid[], $3::integer[]) AS given (id, claim)
WHERE calls.id = given.id AND calls.claim = given.claim AND calls.fetcher_id = $1 AND calls.state = 'running'
RETURNING calls.id
