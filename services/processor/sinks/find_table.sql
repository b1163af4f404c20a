-- Whether there is such a table for records, with all its columns. $1 name text
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass('records.' || quote_ident($1)) AND attname = 'correlation_id' AND NOT attisdropped
