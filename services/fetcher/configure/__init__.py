"""`vendors` → the fetcher's own copy; a changed contract is in force with the next permit."""
