-- One transaction at a time creates a table of this name. $1 name text
SELECT pg_advisory_xact_lock(hashtext('records.' || $1))
