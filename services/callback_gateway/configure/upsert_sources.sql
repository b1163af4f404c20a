-- Inserts or replaces sources. $1 ids text[], $2 documents json[]
INSERT INTO sources (id, document)
SELECT id, document FROM unnest($1::text[], $2::json[]) AS given (id, document)
ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = now()
