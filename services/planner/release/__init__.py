"""Every window: a fair share of each vendor's planned tasks → `fetch.requested`."""
