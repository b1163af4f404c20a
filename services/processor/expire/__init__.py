"""Raw payloads, and keys of jobs, whose time is over → deleted."""
