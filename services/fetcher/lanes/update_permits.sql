-- Where the windows of a contract stand. $1 vendor text, $2 permits jsonb
UPDATE budgets SET permits = $2 WHERE vendor = $1
