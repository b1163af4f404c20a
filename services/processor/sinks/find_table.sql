-- Whether there is such a table for records. $1 name text
SELECT to_regclass('records.' || quote_ident($1))
