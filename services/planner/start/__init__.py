"""`webhooks.received` → a job, where the hook starts one."""
