-- Calls that are about to leave, if they are still this fetcher's; gives those, and until when the fetcher is not silent,
-- in microseconds.
-- $1 fetcher_id uuid
-- $2 ids uuid[]
-- $3 claims integer[]
-- $4 lease_seconds double precision
UPDATE calls
SET may_have_left = true
FROM unnest($2::uuid[], $3::integer[]) AS given (id, claim)
WHERE calls.id = given.id AND calls.claim = given.claim AND calls.fetcher_id = $1 AND calls.state = 'running'
RETURNING calls.id, coalesce((
    SELECT (extract(epoch FROM seen_at + make_interval(secs => $4)) * 1000000)::bigint FROM fetchers WHERE id = $1
), 0) AS until_us
