-- Open calls of silent fetchers that may be repeated, or never left, wait again, but for those that ended too many
-- fetchers; what one that stands still has locked, the next time. Gives them with the claim that ended.
-- $1 fetcher_ids uuid[]
-- $2 most_takeovers integer
UPDATE calls
SET state = 'waiting',
    claim = claim + 1,
    not_before = now(),
    fetcher_id = NULL,
    may_have_left = may_have_left OR repeatable,
    taken_from = CASE WHEN fetcher_id IN (SELECT id FROM fetchers WHERE stopped) THEN taken_from
        ELSE taken_from || fetcher_id END
WHERE id IN (
    SELECT id FROM calls
    WHERE fetcher_id = ANY ($1) AND state = 'running' AND (repeatable OR NOT may_have_left)
        AND (cardinality(taken_from) + 1 < $2 OR fetcher_id IN (SELECT id FROM fetchers WHERE stopped))
    FOR UPDATE SKIP LOCKED
)
RETURNING id, request, origin, repeatable, attempt, claim - 1 AS claim, first_attempt_at, limited_since, created_at,
    may_have_left, taken_from
