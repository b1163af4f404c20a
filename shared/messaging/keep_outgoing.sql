-- Stores a batch's outgoing messages with one of its events. $1 consumer_group text, $2 event_id uuid, $3 delivery integer, $4 outgoing bytea
UPDATE ledger SET outgoing = $4 WHERE consumer_group = $1 AND event_id = $2 AND delivery = $3
