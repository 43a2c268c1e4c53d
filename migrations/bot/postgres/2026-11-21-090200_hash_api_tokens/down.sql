-- Back to one column. Hashes stay hashes, for nothing leads from them to the tokens: in the older release
-- tokens that were issued before do not work, and need to be issued again.
--
-- That release takes whatever stands in this column for a token, so a hash must not open anything in it:
-- every token is locked, that is, no longer active, and its text becomes `<preview> <hash> active`, or
-- `revoked` and the time. The preview comes first, for the older release shows the first characters.
-- Going up once more makes of it what it was, from any version.

UPDATE bot_recovered_values SET row_key = (SELECT preview || ' ' || token_hash
    || CASE WHEN is_active THEN ' active' ELSE ' revoked' END || coalesce(' ' || revoked_at::text, '')
    FROM api_tokens WHERE token_hash = bot_recovered_values.row_key)
WHERE table_name = 'api_tokens' AND row_key LIKE 'sha256:%' AND length(row_key) = 71
    AND row_key IN (SELECT token_hash FROM api_tokens);
UPDATE api_tokens SET token_hash = preview || ' ' || token_hash
    || CASE WHEN is_active THEN ' active' ELSE ' revoked' END || coalesce(' ' || revoked_at::text, '')
WHERE token_hash LIKE 'sha256:%' AND length(token_hash) = 71;
UPDATE api_tokens SET is_active = FALSE;

ALTER TABLE api_tokens DROP COLUMN preview, DROP COLUMN revoked_at;
ALTER TABLE api_tokens RENAME COLUMN token_hash TO token;
