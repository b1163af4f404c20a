-- By itself, as all documents are read: whoever adds a column keeps everybody else from the table meanwhile.
UPDATE dead_letters SET left_out = true
WHERE state IN ('open', 'redriving') AND round IS NULL AND document #>> '{original,left_out}' <> '';
