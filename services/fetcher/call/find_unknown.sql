-- Open calls of silent fetchers that may have left and must not be repeated, locked. $1 fetcher_ids uuid[]
SELECT id, request, origin, repeatable, attempt, claim, first_attempt_at, limited_since, created_at, may_have_left
FROM calls
WHERE fetcher_id = ANY ($1) AND state = 'running' AND NOT repeatable AND may_have_left
ORDER BY id
FOR UPDATE SKIP LOCKED
