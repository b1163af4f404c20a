-- Stores what is sent because of events, each with its own. $1 behaviour text, $2 event_ids uuid[], $3 deliveries integer[], $4 outgoing bytea[]
UPDATE ledger SET outgoing = given.outgoing
FROM unnest($2::uuid[], $3::integer[], $4::bytea[]) AS given (event_id, delivery, outgoing)
WHERE ledger.consumer_group = $1 AND ledger.event_id = given.event_id AND ledger.delivery = given.delivery
