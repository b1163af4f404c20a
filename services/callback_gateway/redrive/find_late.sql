-- Letters of orders whose turns are long past: nothing was sent meanwhile. $1 late interval, $2 most bigint
SELECT id
FROM dead_letters
WHERE state = 'redriving' AND due_at <= now() - $1::interval AND apart > interval '0'
ORDER BY due_at
LIMIT $2
