-- Locks a vendor's budget. $1 vendor text
SELECT true FROM budgets WHERE vendor = $1 FOR UPDATE
