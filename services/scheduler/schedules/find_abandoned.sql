-- Firings of whose end nothing was heard for too long. $1 age interval, $2 most bigint
SELECT id FROM firings WHERE due_at IS NULL AND fired_at < now() - $1::interval ORDER BY fired_at LIMIT $2
