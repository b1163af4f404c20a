-- Open calls of silent fetchers that may be repeated, or never left, wait again; what one that stands still has locked, the next time. Gives them with the claim that ended. $1 fetcher_ids uuid[]
UPDATE calls SET state = 'waiting', claim = claim + 1, not_before = now(), fetcher_id = NULL, may_have_left = may_have_left OR repeatable
WHERE id IN (
    SELECT id FROM calls
    WHERE fetcher_id = ANY ($1) AND state = 'running' AND (repeatable OR NOT may_have_left)
    FOR UPDATE SKIP LOCKED
)
RETURNING id, request, origin, repeatable, attempt, claim - 1 AS claim, first_attempt_at, limited_since, created_at, may_have_left
