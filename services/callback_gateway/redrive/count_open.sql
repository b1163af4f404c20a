-- Open dead letters by service and reason, the most frequent first. Each pair is counted up to a limit, in the index's
-- order, which keeps the planner from reading the table.
-- $1 most_letters bigint (of a pair)
-- $2 most_pairs bigint
WITH RECURSIVE pairs AS (
    (
        SELECT service, left(reason, 100) AS reason
        FROM dead_letters
        WHERE state = 'open'
        ORDER BY service, left(reason, 100)
        LIMIT 1
    )
    UNION ALL
    SELECT following.service, following.reason
    FROM pairs
    CROSS JOIN LATERAL (
        SELECT one.service, left(one.reason, 100) AS reason
        FROM dead_letters AS one
        WHERE one.state = 'open' AND (one.service, left(one.reason, 100)) > (pairs.service, pairs.reason)
        ORDER BY one.service, left(one.reason, 100)
        LIMIT 1
    ) AS following
)
SELECT pairs.service, pairs.reason, counted.count
FROM (SELECT service, reason FROM pairs LIMIT $2) AS pairs
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM (
        SELECT
        FROM dead_letters AS one
        WHERE one.state = 'open'
            AND (one.service, left(one.reason, 100)) >= (pairs.service, pairs.reason)
            AND (one.service, left(one.reason, 100)) <= (pairs.service, pairs.reason)
        ORDER BY one.service, left(one.reason, 100)
        LIMIT $1
    ) AS letters
) AS counted
ORDER BY counted.count DESC, pairs.service, pairs.reason
