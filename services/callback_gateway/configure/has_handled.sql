-- Whether a behaviour has handled an event, or given it up. $1 behaviour text, $2 event_id uuid
SELECT EXISTS (SELECT FROM ledger WHERE consumer_group = $1 AND event_id = $2)
