-- A budget for a vendor that is called for the first time, or again after long; locked, so that it is not forgotten at once. $1 vendor text
INSERT INTO budgets AS known (vendor) VALUES ($1) ON CONFLICT (vendor) DO UPDATE SET vendor = known.vendor
