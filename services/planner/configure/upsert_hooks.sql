-- Inserts or replaces hooks. $1 ids text[], $2 documents json[]
INSERT INTO hooks (id, document)
SELECT id, document FROM unnest($1::text[], $2::json[]) AS given (id, document)
ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = now()
