-- Back to the conventions. Flags that were put aside go back as they were, and counters that were none. What the first version
-- has no place for is lost: api_tokens.name and .permissions, and current_status.status,
-- .current_users and .connected_users, none of which any program has written after the mapping.

DROP INDEX idx_user_stats_last_seen;
ALTER TABLE user_stats
    ALTER COLUMN total_chat_lines DROP NOT NULL,
    ALTER COLUMN total_time_connected DROP NOT NULL;

DROP INDEX idx_user_actions_timestamp;
DROP INDEX idx_user_actions_username;

DROP INDEX idx_recent_chat_timestamp;
CREATE INDEX idx_recent_chat_timestamp ON recent_chat (timestamp DESC);

ALTER TABLE channel_stats
    ALTER COLUMN max_users DROP NOT NULL,
    ALTER COLUMN max_connected DROP NOT NULL,
    ALTER COLUMN last_updated DROP NOT NULL,
    ALTER COLUMN last_updated DROP DEFAULT;

ALTER TABLE current_status
    DROP COLUMN status,
    DROP COLUMN current_users,
    DROP COLUMN connected_users,
    ALTER COLUMN bot_afk TYPE BIGINT USING bot_afk::int,
    ALTER COLUMN bot_afk SET DEFAULT 0,
    ALTER COLUMN bot_connected TYPE BIGINT USING bot_connected::int,
    ALTER COLUMN bot_connected SET DEFAULT 0,
    ALTER COLUMN current_chat_users DROP NOT NULL,
    ALTER COLUMN current_connected_users DROP NOT NULL,
    ALTER COLUMN playlist_items DROP NOT NULL,
    ALTER COLUMN last_updated DROP NOT NULL,
    ALTER COLUMN last_updated DROP DEFAULT;

ALTER TABLE outbound_messages RENAME COLUMN error_message TO last_error;
ALTER TABLE outbound_messages
    ALTER COLUMN sent DROP NOT NULL,
    ALTER COLUMN sent DROP DEFAULT,
    ALTER COLUMN sent TYPE BIGINT USING sent::int,
    ALTER COLUMN sent SET DEFAULT 0,
    ALTER COLUMN retry_count DROP NOT NULL;

DROP INDEX idx_api_tokens_active;
ALTER TABLE api_tokens RENAME COLUMN is_active TO revoked;
ALTER TABLE api_tokens
    DROP CONSTRAINT api_tokens_pkey,
    DROP CONSTRAINT api_tokens_token_key,
    DROP COLUMN id,
    DROP COLUMN name,
    DROP COLUMN permissions,
    ADD PRIMARY KEY (token),
    ALTER COLUMN revoked DROP NOT NULL,
    ALTER COLUMN revoked DROP DEFAULT,
    ALTER COLUMN revoked TYPE BIGINT USING (NOT revoked)::int,
    ALTER COLUMN revoked SET DEFAULT 0;
CREATE INDEX idx_api_tokens_revoked ON api_tokens (revoked, token);

UPDATE current_status SET bot_afk = recovered.value::bigint FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'current_status' AND recovered.column_name = 'bot_afk' AND recovered.row_key = current_status.id::text;
UPDATE current_status SET bot_connected = recovered.value::bigint FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'current_status' AND recovered.column_name = 'bot_connected' AND recovered.row_key = current_status.id::text;
UPDATE current_status SET current_chat_users = NULL FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'current_status' AND recovered.column_name = 'current_chat_users' AND recovered.row_key = current_status.id::text;
UPDATE current_status SET current_connected_users = NULL FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'current_status' AND recovered.column_name = 'current_connected_users' AND recovered.row_key = current_status.id::text;
UPDATE current_status SET playlist_items = NULL FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'current_status' AND recovered.column_name = 'playlist_items' AND recovered.row_key = current_status.id::text;
UPDATE channel_stats SET max_connected = NULL FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'channel_stats' AND recovered.column_name = 'max_connected' AND recovered.row_key = channel_stats.id::text;
UPDATE outbound_messages SET sent = recovered.value::bigint FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'outbound_messages' AND recovered.column_name = 'sent' AND recovered.row_key = outbound_messages.id::text;
UPDATE api_tokens SET revoked = recovered.value::bigint FROM bot_recovered_values AS recovered
WHERE recovered.table_name = 'api_tokens' AND recovered.column_name = 'revoked' AND recovered.row_key = api_tokens.token;
DROP TABLE bot_recovered_values;
