"""`notifications` → a `deliver` job for each webhook that is to hear of it."""
