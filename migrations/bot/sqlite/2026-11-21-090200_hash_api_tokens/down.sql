-- Back to one column. Hashes stay hashes, for nothing leads from them to the tokens: tokens that
-- were issued before do not work in the older release, and need to be issued again. Previews and
-- the times of revocation go to `bot_recovered_values`, where the next `up.sql` finds them.

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'api_tokens', token_hash, 'preview', preview, 'the column is gone' FROM api_tokens
WHERE preview <> ''
UNION ALL SELECT 'api_tokens', token_hash, 'revoked_at', revoked_at, 'the column is gone' FROM api_tokens
WHERE revoked_at IS NOT NULL;

ALTER TABLE api_tokens DROP COLUMN preview;
ALTER TABLE api_tokens DROP COLUMN revoked_at;
ALTER TABLE api_tokens RENAME COLUMN token_hash TO token;
