-- Vendors that answered, be it with a refusal: their faults are over. $1 vendors text[]
UPDATE budgets SET faults = 0, failing_since = NULL WHERE vendor = ANY ($1) AND faults > 0
