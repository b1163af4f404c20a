-- Locks schedules by their ids, in the order given, whether they are there or not. $1 ids uuid[] (sorted)
SELECT pg_advisory_xact_lock(hashtextextended(given.id::text, 0)) FROM unnest($1::uuid[]) AS given (id)
