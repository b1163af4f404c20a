"""`vendors`, `sources`, `hooks` → the gateway's own copy, and what of it the edge keeps in memory."""
