-- Turns are given by one transaction at a time: each begins behind the turns that it sees.
SELECT pg_advisory_xact_lock(hashtext('callback_gateway.turns'))
