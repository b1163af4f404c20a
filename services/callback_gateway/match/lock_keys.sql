-- Locks keys until the end of the transaction, in their order. $1 keys bigint[]
SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS given (key)
