-- Answered calls that a fetcher may have taken over without hearing of it. $1 ids uuid[], $2 fetcher_id uuid
SELECT id, outgoing FROM calls WHERE id = ANY ($1) AND fetcher_id = $2 AND state = 'answered'
