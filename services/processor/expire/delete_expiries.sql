-- Forgets payloads that were deleted. $1 uris text[]
DELETE FROM expiries WHERE uri = ANY ($1)
