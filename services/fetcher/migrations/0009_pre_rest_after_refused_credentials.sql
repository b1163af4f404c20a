ALTER TABLE budgets ADD COLUMN refused_credentials integer NOT NULL DEFAULT 0;
