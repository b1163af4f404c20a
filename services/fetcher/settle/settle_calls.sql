-- Writes outcomes of calls that are still this fetcher's, also those that it wrote without hearing of it. Waits for a
-- limit are no part of the time that is tried.
-- $1 fetcher_id uuid
-- $2 ids uuid[]
-- $3 claims integer[]
-- $4 states text[]
-- $5 attempts integer[]
-- $6 not_before timestamptz[]
-- $7 limited boolean[] (null: the call was not made)
-- $8 outgoing bytea[]
-- $9 may_have_left boolean[]
UPDATE calls
SET state = given.state,
    attempt = given.attempt,
    not_before = coalesce(given.not_before, calls.not_before),
    limited_since = CASE given.limited
        WHEN true THEN coalesce(calls.limited_since, now())
        WHEN false THEN NULL
        ELSE calls.limited_since
    END,
    first_attempt_at = calls.first_attempt_at + CASE WHEN given.limited AND calls.state = 'running'
        THEN greatest(given.not_before - now(), interval '0')
        ELSE interval '0' END,
    outgoing = given.outgoing,
    may_have_left = given.may_have_left,
    taken_from = '{}'
FROM unnest(
    $2::uuid[], $3::integer[], $4::text[], $5::integer[], $6::timestamptz[], $7::boolean[], $8::bytea[],
    $9::boolean[]
) AS given (id, claim, state, attempt, not_before, limited, outgoing, may_have_left)
WHERE calls.id = given.id AND calls.claim = given.claim AND calls.fetcher_id = $1
    AND calls.state IN ('running', given.state)
RETURNING calls.id, calls.claim
