"""`vendors` → the fetcher's own copy; a changed contract holds from the next claim on."""
