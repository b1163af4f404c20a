-- New turns for letters that were not sent in theirs: those of an order come behind its other letters, as far apart as
-- before; a single letter comes again after `wait`. $1 ids uuid[], $2 wait interval
WITH missed AS (
    SELECT id, due_at, order_id, apart
    FROM dead_letters
    WHERE id = ANY ($1) AND state = 'redriving' AND due_at <= now()
    FOR UPDATE SKIP LOCKED
), last AS (
    SELECT order_id, (
        SELECT max(due_at) FROM dead_letters WHERE state = 'redriving' AND dead_letters.order_id = orders.order_id
    ) AS due_at
    FROM (SELECT DISTINCT order_id FROM missed) AS orders
), placed AS (
    SELECT missed.id, greatest(last.due_at, now() + $2::interval)
        + sum(missed.apart) OVER (PARTITION BY missed.order_id ORDER BY missed.due_at, missed.id) AS due_at
    FROM missed
    JOIN last ON last.order_id IS NOT DISTINCT FROM missed.order_id
)
UPDATE dead_letters SET due_at = placed.due_at FROM placed WHERE dead_letters.id = placed.id
