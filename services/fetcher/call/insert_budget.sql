-- A budget for a vendor that is called for the first time. $1 vendor text
INSERT INTO budgets (vendor) VALUES ($1) ON CONFLICT DO NOTHING
