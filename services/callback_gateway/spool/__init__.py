"""Messages that the broker did not take in time → a table → the broker, later."""
