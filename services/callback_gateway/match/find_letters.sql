-- The letters of callbacks in the order of these ids, until they have so many bytes; at least one.
-- $1 ids uuid[]
-- $2 most_bytes bigint
WITH sized AS (
    SELECT callbacks.letter, given.place, coalesce(sum(octet_length(callbacks.letter::text)) OVER (
        ORDER BY given.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS bytes_before
    FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, place)
    JOIN callbacks USING (id)
)
SELECT letter
FROM sized
WHERE bytes_before < $2
ORDER BY place
