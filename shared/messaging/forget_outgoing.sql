-- Drops messages that the broker has acknowledged; the events stay recorded. $1 behaviour text, $2 event_ids uuid[], $3 deliveries integer[]
UPDATE ledger SET outgoing = NULL
FROM unnest($2::uuid[], $3::integer[]) AS given (event_id, delivery)
WHERE ledger.consumer_group = $1 AND ledger.event_id = given.event_id AND ledger.delivery = given.delivery
