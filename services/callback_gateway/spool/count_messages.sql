-- How many messages are kept, counted no further than that. $1 most bigint
SELECT count(*) FROM (SELECT FROM spool LIMIT $1) AS kept
