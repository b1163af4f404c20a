-- The constraints of these tables that may be checked at the commit, as a list of names for each table. $1 names text[]
SELECT relname AS table, string_agg('records.' || quote_ident(conname), ', ') AS constraints
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE condeferrable
    AND conrelid IN (SELECT to_regclass('records.' || quote_ident(name)) FROM unnest($1::text[]) AS each (name))
GROUP BY relname
ORDER BY relname
