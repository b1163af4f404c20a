-- Deletes one block of old rows, the oldest first; small blocks never hinder live work. $1 age interval, $2 block_rows bigint
DELETE FROM ledger
WHERE ctid = ANY (ARRAY(SELECT ctid FROM ledger WHERE recorded_at < now() - $1::interval ORDER BY recorded_at LIMIT $2))
