-- Calls that a fetcher may have claimed without hearing of it wait again. $1 ids uuid[], $2 fetcher_id uuid
UPDATE calls SET state = 'waiting', claim = claim + 1, fetcher_id = NULL
WHERE id = ANY ($1) AND fetcher_id = $2 AND state = 'running'
