-- The oldest messages, locked; only one drainer at a time, so that their order holds. $1 most bigint
SELECT id, topic, key, value, headers FROM spool ORDER BY id LIMIT $1 FOR UPDATE
