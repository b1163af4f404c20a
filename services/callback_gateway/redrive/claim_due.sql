-- Letters whose turn it is, locked. $1 most bigint
SELECT id, document, round, redrives
FROM dead_letters
WHERE state = 'redriving' AND due_at <= now()
ORDER BY due_at
LIMIT $1
FOR UPDATE SKIP LOCKED
