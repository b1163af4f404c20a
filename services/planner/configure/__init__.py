"""`vendors`, `sources` and `hooks` → the planner's own copy of the configuration."""
