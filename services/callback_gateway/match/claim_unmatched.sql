-- Callbacks that nobody has waited for in their time, locked, until their letters have so many bytes; at least one. $1 older_than interval, $2 resting uuid[], $3 most bigint, $4 most_bytes bigint
WITH unmatched AS (
    SELECT id, vendor, letter, parked_at
    FROM callbacks
    WHERE verdict = 'parked' AND parked_at < now() - $1::interval
        AND id NOT IN (SELECT resting.id FROM unnest($2::uuid[]) AS resting (id))
    ORDER BY parked_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT *, coalesce(sum(octet_length(letter::text)) OVER (
        ORDER BY parked_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS bytes_before
    FROM unmatched
)
SELECT id, vendor, letter
FROM sized
WHERE bytes_before < $4
ORDER BY parked_at, id
