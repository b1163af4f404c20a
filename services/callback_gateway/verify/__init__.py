"""Whether a webhook or callback comes from whom it says: raw bytes, headers, secrets, time → verdict. Pure."""
