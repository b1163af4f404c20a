-- How far the turns of the letters of one order are apart; nothing between those that are redriven one by one.
ALTER TABLE dead_letters ADD COLUMN apart interval NOT NULL DEFAULT '0';
