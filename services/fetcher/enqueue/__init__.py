"""`fetch.requested` → the table of calls, acknowledged at once."""
