-- The oldest messages, locked, but none under the topics and keys that rest; only one drainer at a time, so that their order holds. $1 most bigint, $2 topics text[], $3 keys text[]
SELECT id, topic, key, value, headers
FROM spool
WHERE NOT EXISTS (
    SELECT FROM unnest($2::text[], $3::text[]) AS given (topic, key)
    WHERE given.topic = spool.topic AND given.key = spool.key
)
ORDER BY id
LIMIT $1
FOR UPDATE
