-- Open dead letters by service and reason, the most frequent first. Reasons are found by a loose index scan, and each is
-- counted up to a limit, in the index's order, which keeps the planner from reading the table.
-- $1 services text[]
-- $2 most_letters bigint (of a service and reason)
-- $3 most_reasons bigint (of a service)
SELECT each.service, reasons.reason, counted.count
FROM unnest($1::text[]) AS each (service)
CROSS JOIN LATERAL (
    WITH RECURSIVE scan AS (
        (
            SELECT left(reason, 100) AS reason
            FROM dead_letters
            WHERE state = 'open' AND service = each.service
            ORDER BY left(reason, 100)
            LIMIT 1
        )
        UNION ALL
        SELECT following.reason
        FROM scan
        CROSS JOIN LATERAL (
            SELECT left(one.reason, 100) AS reason
            FROM dead_letters AS one
            WHERE one.state = 'open' AND one.service = each.service AND left(one.reason, 100) > scan.reason
            ORDER BY left(one.reason, 100)
            LIMIT 1
        ) AS following
    )
    SELECT scan.reason FROM scan LIMIT $3
) AS reasons
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM (
        SELECT
        FROM dead_letters AS one
        WHERE one.state = 'open' AND one.service = each.service
            AND left(one.reason, 100) >= reasons.reason AND left(one.reason, 100) <= reasons.reason
        ORDER BY one.service, left(one.reason, 100)
        LIMIT $2
    ) AS letters
) AS counted
ORDER BY counted.count DESC, each.service, reasons.reason
