-- Leaves answered calls of a fetcher to those that can produce their messages. $1 ids uuid[], $2 fetcher_id uuid, $3 nobody uuid
UPDATE calls SET fetcher_id = $3, claim = claim + 1
WHERE id IN (
    SELECT id FROM calls WHERE id = ANY ($1) AND fetcher_id = $2 AND state = 'answered' ORDER BY id FOR UPDATE
)
RETURNING id
