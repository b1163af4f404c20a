-- The moment after all locks were taken: decisions about one schedule follow each other in time.
SELECT clock_timestamp()
