-- Leaves a fetcher's answered calls to those that can produce their messages. $1 fetcher_id uuid, $2 nobody uuid
UPDATE calls SET fetcher_id = $2, claim = claim + 1
WHERE id IN (SELECT id FROM calls WHERE fetcher_id = $1 AND state = 'answered' ORDER BY id FOR UPDATE)
RETURNING id
