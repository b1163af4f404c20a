-- Deletes one block of old rows, the oldest first; small blocks never hinder live work. Those of configuration are not in the index. $1 age interval, $2 block_rows bigint, $3 kept text[]
DELETE FROM ledger
WHERE ctid = ANY (
    ARRAY(
        SELECT ctid FROM ledger
        WHERE recorded_at < now() - $1::interval AND consumer_group NOT LIKE 'configure%' AND consumer_group <> ALL ($3)
        ORDER BY recorded_at LIMIT $2
    )
)
