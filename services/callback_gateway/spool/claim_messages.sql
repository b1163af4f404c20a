-- The oldest messages, locked, until they have so many bytes, at least one, but none under the topics and keys that
-- rest; only one drainer at a time, so that their order holds.
-- $1 most bigint
-- $2 topics text[]
-- $3 keys text[]
-- $4 most_bytes bigint
WITH oldest AS (
    SELECT id, topic, key, value, headers
    FROM spool
    WHERE (topic, key) NOT IN (SELECT given.topic, given.key FROM unnest($2::text[], $3::text[]) AS given (topic, key))
    ORDER BY id
    LIMIT $1
    FOR UPDATE
), sized AS (
    SELECT *, coalesce(sum(octet_length(value)) OVER (
        ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS bytes_before
    FROM oldest
)
SELECT id, topic, key, value, headers
FROM sized
WHERE bytes_before < $4
ORDER BY id
