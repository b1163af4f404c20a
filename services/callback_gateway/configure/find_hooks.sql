-- Documents of hooks, or of one. $1 id text (null: all)
SELECT document FROM hooks WHERE $1::text IS NULL OR id = $1 ORDER BY id
