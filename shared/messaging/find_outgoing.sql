-- What earlier handling of these events had sent. $1 behaviour text, $2 event_ids uuid[], $3 deliveries integer[]
SELECT event_id, delivery, outgoing
FROM ledger
JOIN unnest($2::uuid[], $3::integer[]) AS given (event_id, delivery) USING (event_id, delivery)
WHERE consumer_group = $1 AND outgoing IS NOT NULL
