-- A client says which digest its artifact has, and not every client means SHA-256: the text is kept as it
-- comes, of any length, as SQLite keeps it.
ALTER TABLE artifacts ALTER COLUMN sha256 TYPE TEXT;

-- What taking this migration back had put aside.
UPDATE artifacts SET sha256 = kept.value FROM project_recovered_values AS kept
WHERE kept.table_name = 'artifacts' AND kept.column_name = 'sha256' AND kept.row_key = artifacts.id::text
    AND artifacts.sha256 IS NULL;
DELETE FROM project_recovered_values WHERE table_name = 'artifacts' AND column_name = 'sha256';
