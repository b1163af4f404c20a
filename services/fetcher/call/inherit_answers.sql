-- Takes over answered calls of silent fetchers. $1 fetcher_ids uuid[], $2 fetcher_id uuid
UPDATE calls SET fetcher_id = $2, claim = claim + 1
WHERE fetcher_id = ANY ($1) AND state = 'answered'
RETURNING id, outgoing
