-- Texts of more than 64 characters are put aside; going up once more brings them back.
INSERT INTO project_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'artifacts', id::text, 'sha256', sha256, 'longer than the column' FROM artifacts
WHERE length(sha256) > 64;
UPDATE artifacts SET sha256 = NULL WHERE length(sha256) > 64;

ALTER TABLE artifacts ALTER COLUMN sha256 TYPE VARCHAR(64);
