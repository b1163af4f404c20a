-- Claims calls for a fetcher. What a call waited beyond its own time, for the vendor's limit, is no part of the time that is tried. $1 ids uuid[], $2 fetcher_id uuid
UPDATE calls
SET state = 'running',
    fetcher_id = $2,
    claim = claim + 1,
    first_attempt_at = coalesce(first_attempt_at + greatest(now() - not_before, interval '0'), now())
WHERE id = ANY ($1)
RETURNING id, request, origin, repeatable, attempt, claim, first_attempt_at, limited_since, created_at,
    may_have_left, taken_from
