-- Open calls of silent fetchers that are not made again, locked: they may have left and must not be repeated, or have ended too many fetchers. $1 fetcher_ids uuid[], $2 most_takeovers integer
SELECT id, request, origin, repeatable, attempt, claim, first_attempt_at, limited_since, created_at, may_have_left,
    taken_from
FROM calls
WHERE fetcher_id = ANY ($1) AND state = 'running'
    AND (
        NOT repeatable AND may_have_left
        OR cardinality(taken_from) + 1 >= $2 AND fetcher_id NOT IN (SELECT id FROM fetchers WHERE stopped)
    )
ORDER BY id
FOR UPDATE SKIP LOCKED
