-- Takes over answered calls of silent fetchers; what one that stands still has locked, the next time.
-- $1 fetcher_ids uuid[]
-- $2 fetcher_id uuid
-- $3 most integer
UPDATE calls SET fetcher_id = $2, claim = claim + 1
WHERE id IN (
    SELECT id FROM calls WHERE fetcher_id = ANY ($1) AND state = 'answered' ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING id, outgoing
