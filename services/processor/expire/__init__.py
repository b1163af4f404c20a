"""Raw payloads whose time is over → deleted."""
