-- New turns for letters that were not sent in theirs: those of orders come behind all turns that are given, as far apart
-- as before; a single letter comes again after `wait`. $1 ids uuid[], $2 wait interval
WITH missed AS (
    SELECT id, due_at, apart
    FROM dead_letters
    WHERE id = ANY ($1) AND state = 'redriving' AND due_at <= now()
    FOR UPDATE SKIP LOCKED
), last AS (
    SELECT greatest(max(due_at), now() + $2::interval) AS due_at FROM dead_letters WHERE state = 'redriving'
), placed AS (
    SELECT missed.id, CASE
        WHEN missed.apart = interval '0' THEN now() + $2::interval
        ELSE last.due_at + sum(missed.apart) OVER (ORDER BY missed.due_at, missed.id)
    END AS due_at
    FROM missed, last
)
UPDATE dead_letters SET due_at = placed.due_at FROM placed WHERE dead_letters.id = placed.id
