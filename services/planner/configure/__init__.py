"""`vendors` and `sources` → the planner's own copy of the configuration."""
