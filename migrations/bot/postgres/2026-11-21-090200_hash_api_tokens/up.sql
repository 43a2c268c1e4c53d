-- Of a token only its hash stays, so that nobody who reads the database can use one.
--
-- This script makes room; `hash_api_tokens/1` then writes `sha256:` and the hash over each token,
-- its first characters into `preview`, and the same hash over the keys in `bot_recovered_values`.
-- When a token was revoked is not known, so `revoked_at` says when this ran; what an earlier
-- `down.sql` put aside is put back.
ALTER TABLE api_tokens RENAME COLUMN token TO token_hash;
ALTER TABLE api_tokens
    ADD COLUMN preview TEXT NOT NULL DEFAULT '',
    ADD COLUMN revoked_at BIGINT;
ALTER TABLE api_tokens ALTER COLUMN preview DROP DEFAULT;

UPDATE api_tokens SET revoked_at = floor(extract(epoch FROM now()))::bigint WHERE NOT is_active;
UPDATE api_tokens SET preview = recovered.value FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'api_tokens' AND recovered.column_name = 'preview'
    AND recovered.reason = 'the column is gone' AND recovered.row_key = api_tokens.token_hash;
UPDATE api_tokens SET revoked_at = recovered.value::bigint FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'api_tokens' AND recovered.column_name = 'revoked_at'
    AND recovered.reason = 'the column is gone' AND recovered.row_key = api_tokens.token_hash
    AND NOT api_tokens.is_active;
UPDATE bot_recovered_values SET reason = 'the column is back'
WHERE table_name = 'api_tokens' AND reason = 'the column is gone';
