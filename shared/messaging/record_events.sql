-- Records events as handled; gives those that were not yet. $1 behaviour text, $2 event_ids uuid[], $3 deliveries integer[]
INSERT INTO ledger (consumer_group, event_id, delivery)
SELECT $1, event_id, delivery FROM unnest($2::uuid[], $3::integer[]) AS given (event_id, delivery)
ON CONFLICT DO NOTHING
RETURNING event_id, delivery
