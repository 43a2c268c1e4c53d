-- Maps what Rosey v0.6.0 created to the typed schema, by column name. Values that the types cannot
-- hold are treated as in the second migration.

CREATE TABLE bot_recovered_values (
    id INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_key TEXT NOT NULL,
    column_name TEXT NOT NULL,
    value TEXT,
    reason TEXT NOT NULL
);
-- A column without a type, for a number becomes text only when all is gathered: as many digits as it needs.
CREATE TEMP TABLE kept (table_name, row_key, column_name, value, reason);

-- user_stats
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'user_stats', username, 'first_seen', first_seen, 'not an integer'
FROM user_stats WHERE typeof(first_seen) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_stats', username, 'last_seen', last_seen, 'not an integer'
FROM user_stats WHERE typeof(last_seen) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_stats', username, 'total_chat_lines', total_chat_lines, 'not an integer'
FROM user_stats WHERE typeof(total_chat_lines) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_stats', username, 'total_time_connected', total_time_connected, 'not an integer'
FROM user_stats WHERE typeof(total_time_connected) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_stats', username, 'current_session_start', current_session_start, 'not an integer'
FROM user_stats WHERE typeof(current_session_start) NOT IN ('integer', 'null');
CREATE TABLE new_user_stats (
    username TEXT PRIMARY KEY NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    total_chat_lines INTEGER NOT NULL DEFAULT 0,
    total_time_connected INTEGER NOT NULL DEFAULT 0,
    current_session_start INTEGER
);
INSERT INTO new_user_stats (
    username, first_seen, last_seen, total_chat_lines, total_time_connected,
    current_session_start
) SELECT
    username,
    coalesce(CAST(first_seen AS INTEGER), 0),
    coalesce(CAST(last_seen AS INTEGER), 0),
    coalesce(CAST(total_chat_lines AS INTEGER), 0),
    coalesce(CAST(total_time_connected AS INTEGER), 0),
    CASE WHEN typeof(current_session_start) IN ('integer', 'real') THEN CAST(current_session_start AS INTEGER) END
FROM user_stats;
DROP TABLE user_stats;
ALTER TABLE new_user_stats RENAME TO user_stats;
CREATE INDEX idx_user_stats_last_seen ON user_stats (last_seen);

-- user_actions
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'user_actions', id, 'timestamp', timestamp, 'not an integer'
FROM user_actions WHERE typeof(timestamp) NOT IN ('integer', 'null');
CREATE TABLE new_user_actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp INTEGER NOT NULL,
    username TEXT NOT NULL,
    action_type TEXT NOT NULL,
    details TEXT
);
INSERT INTO new_user_actions (
    id, timestamp, username, action_type, details
) SELECT
    id,
    coalesce(CAST(timestamp AS INTEGER), 0),
    username,
    action_type,
    details
FROM user_actions;
DROP TABLE user_actions;
ALTER TABLE new_user_actions RENAME TO user_actions;
CREATE INDEX idx_user_actions_timestamp ON user_actions (timestamp);
CREATE INDEX idx_user_actions_username ON user_actions (username, timestamp);

-- channel_stats
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'channel_stats', id, 'max_users', max_users, 'not an integer'
FROM channel_stats WHERE typeof(max_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'channel_stats', id, 'max_users_timestamp', max_users_timestamp, 'not an integer'
FROM channel_stats WHERE typeof(max_users_timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'channel_stats', id, 'max_connected', max_connected, iif(max_connected IS NULL, 'there was none', 'not an integer')
FROM channel_stats WHERE typeof(max_connected) <> 'integer'
UNION ALL SELECT 'channel_stats', id, 'max_connected_timestamp', max_connected_timestamp, 'not an integer'
FROM channel_stats WHERE typeof(max_connected_timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'channel_stats', id, 'last_updated', last_updated, 'not an integer'
FROM channel_stats WHERE typeof(last_updated) NOT IN ('integer', 'null');
CREATE TABLE new_channel_stats (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    max_users INTEGER NOT NULL DEFAULT 0,
    max_users_timestamp INTEGER,
    max_connected INTEGER NOT NULL DEFAULT 0,
    max_connected_timestamp INTEGER,
    last_updated INTEGER NOT NULL DEFAULT 0
);
INSERT INTO new_channel_stats (
    id, max_users, max_users_timestamp, max_connected, max_connected_timestamp, last_updated
) SELECT
    id,
    coalesce(CAST(max_users AS INTEGER), 0),
    CASE WHEN typeof(max_users_timestamp) IN ('integer', 'real') THEN CAST(max_users_timestamp AS INTEGER) END,
    coalesce(CAST(max_connected AS INTEGER), 0),
    CASE WHEN typeof(max_connected_timestamp) IN ('integer', 'real') THEN CAST(max_connected_timestamp AS INTEGER) END,
    coalesce(CAST(last_updated AS INTEGER), 0)
FROM channel_stats;
DROP TABLE channel_stats;
ALTER TABLE new_channel_stats RENAME TO channel_stats;

-- user_count_history
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'user_count_history', id, 'timestamp', timestamp, 'not an integer'
FROM user_count_history WHERE typeof(timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_count_history', id, 'chat_users', chat_users, 'not an integer'
FROM user_count_history WHERE typeof(chat_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_count_history', id, 'connected_users', connected_users, 'not an integer'
FROM user_count_history WHERE typeof(connected_users) NOT IN ('integer', 'null');
CREATE TABLE new_user_count_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp INTEGER NOT NULL,
    chat_users INTEGER NOT NULL,
    connected_users INTEGER NOT NULL
);
INSERT INTO new_user_count_history (
    id, timestamp, chat_users, connected_users
) SELECT
    id,
    coalesce(CAST(timestamp AS INTEGER), 0),
    coalesce(CAST(chat_users AS INTEGER), 0),
    coalesce(CAST(connected_users AS INTEGER), 0)
FROM user_count_history;
DROP TABLE user_count_history;
ALTER TABLE new_user_count_history RENAME TO user_count_history;
CREATE INDEX idx_user_count_timestamp ON user_count_history (timestamp);

-- recent_chat
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'recent_chat', id, 'timestamp', timestamp, 'not an integer'
FROM recent_chat WHERE typeof(timestamp) NOT IN ('integer', 'null');
CREATE TABLE new_recent_chat (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp INTEGER NOT NULL,
    username TEXT NOT NULL,
    message TEXT NOT NULL
);
INSERT INTO new_recent_chat (
    id, timestamp, username, message
) SELECT
    id,
    coalesce(CAST(timestamp AS INTEGER), 0),
    username,
    message
FROM recent_chat;
DROP TABLE recent_chat;
ALTER TABLE new_recent_chat RENAME TO recent_chat;
CREATE INDEX idx_recent_chat_timestamp ON recent_chat (timestamp, id);

-- current_status
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'current_status', id, 'last_updated', last_updated, 'not an integer'
FROM current_status WHERE typeof(last_updated) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'current_users', current_users, 'not an integer'
FROM current_status WHERE typeof(current_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'connected_users', connected_users, 'not an integer'
FROM current_status WHERE typeof(connected_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'current_chat_users', current_chat_users, iif(current_chat_users IS NULL, 'there was none', 'not an integer')
FROM current_status WHERE typeof(current_chat_users) <> 'integer'
UNION ALL SELECT 'current_status', id, 'current_connected_users', current_connected_users, iif(current_connected_users IS NULL, 'there was none', 'not an integer')
FROM current_status WHERE typeof(current_connected_users) <> 'integer'
UNION ALL SELECT 'current_status', id, 'playlist_items', playlist_items, iif(playlist_items IS NULL, 'there was none', 'not an integer')
FROM current_status WHERE typeof(playlist_items) <> 'integer'
UNION ALL SELECT 'current_status', id, 'current_media_duration', current_media_duration, 'not an integer'
FROM current_status WHERE typeof(current_media_duration) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'bot_start_time', bot_start_time, 'not an integer'
FROM current_status WHERE typeof(bot_start_time) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'bot_afk', bot_afk, 'not a flag'
FROM current_status WHERE bot_afk NOT IN (0, 1)
UNION ALL SELECT 'current_status', id, 'bot_connected', bot_connected, 'not a flag'
FROM current_status WHERE bot_connected NOT IN (0, 1)
UNION ALL SELECT 'current_status', id, 'bot_rank', bot_rank, 'not a number'
FROM current_status WHERE typeof(bot_rank) NOT IN ('integer', 'real', 'null')
UNION ALL SELECT 'current_status', id, 'bot_rank', bot_rank, 'too large to be exact'
FROM current_status WHERE typeof(bot_rank) = 'integer' AND bot_rank NOT BETWEEN -9007199254740992 AND 9007199254740992;
CREATE TABLE new_current_status (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    status TEXT NOT NULL DEFAULT 'offline',
    bot_name TEXT,
    bot_rank REAL,
    bot_afk BOOLEAN CHECK (bot_afk IN (0, 1)),
    channel_name TEXT,
    current_chat_users INTEGER NOT NULL DEFAULT 0,
    current_connected_users INTEGER NOT NULL DEFAULT 0,
    playlist_items INTEGER NOT NULL DEFAULT 0,
    current_media_title TEXT,
    current_media_duration INTEGER,
    bot_start_time INTEGER,
    bot_connected BOOLEAN CHECK (bot_connected IN (0, 1)),
    current_users INTEGER NOT NULL DEFAULT 0,
    connected_users INTEGER NOT NULL DEFAULT 0,
    last_updated INTEGER NOT NULL DEFAULT 0
);
INSERT INTO new_current_status (
    id, last_updated, status, bot_name, bot_rank, bot_afk, channel_name, current_users,
    connected_users, current_chat_users, current_connected_users, playlist_items,
    current_media_title, current_media_duration, bot_start_time, bot_connected
) SELECT
    id,
    coalesce(CAST(last_updated AS INTEGER), 0),
    status,
    bot_name,
    CASE WHEN typeof(bot_rank) IN ('integer', 'real') THEN bot_rank END,
    CASE WHEN typeof(bot_afk) IN ('integer', 'real') THEN bot_afk <> 0 END,
    channel_name,
    coalesce(CAST(current_users AS INTEGER), 0),
    coalesce(CAST(connected_users AS INTEGER), 0),
    coalesce(CAST(current_chat_users AS INTEGER), 0),
    coalesce(CAST(current_connected_users AS INTEGER), 0),
    coalesce(CAST(playlist_items AS INTEGER), 0),
    current_media_title,
    CASE WHEN typeof(current_media_duration) IN ('integer', 'real') THEN CAST(current_media_duration AS INTEGER) END,
    CASE WHEN typeof(bot_start_time) IN ('integer', 'real') THEN CAST(bot_start_time AS INTEGER) END,
    CASE WHEN typeof(bot_connected) IN ('integer', 'real') THEN bot_connected <> 0 END
FROM current_status;
DROP TABLE current_status;
ALTER TABLE new_current_status RENAME TO current_status;

-- outbound_messages
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'outbound_messages', id, 'timestamp', timestamp, 'not an integer'
FROM outbound_messages WHERE typeof(timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'outbound_messages', id, 'sent_timestamp', sent_timestamp, 'not an integer'
FROM outbound_messages WHERE typeof(sent_timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'outbound_messages', id, 'retry_count', retry_count, 'not an integer'
FROM outbound_messages WHERE typeof(retry_count) NOT IN ('integer', 'null')
UNION ALL SELECT 'outbound_messages', id, 'sent', sent, 'not a flag'
FROM outbound_messages WHERE sent NOT IN (0, 1);
CREATE TABLE new_outbound_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp INTEGER NOT NULL,
    message TEXT NOT NULL,
    sent BOOLEAN NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
    sent_timestamp INTEGER,
    retry_count INTEGER NOT NULL DEFAULT 0,
    error_message TEXT
);
INSERT INTO new_outbound_messages (
    id, timestamp, sent_timestamp, message, sent, retry_count, error_message
) SELECT
    id,
    coalesce(CAST(timestamp AS INTEGER), 0),
    CASE WHEN typeof(sent_timestamp) IN ('integer', 'real') THEN CAST(sent_timestamp AS INTEGER) END,
    message,
    CASE WHEN typeof(sent) IN ('integer', 'real') THEN sent <> 0 ELSE 0 END,
    coalesce(CAST(retry_count AS INTEGER), 0),
    error_message
FROM outbound_messages;
DROP TABLE outbound_messages;
ALTER TABLE new_outbound_messages RENAME TO outbound_messages;
CREATE INDEX idx_outbound_sent ON outbound_messages (sent, timestamp);

-- api_tokens: where several rows have one token, and an index that forbids it is missing, the token stays
-- with one of them, an active one if there is one. The others open nothing.
CREATE TEMP TABLE doubled AS
SELECT id, 'recovered-' || id || '-double' AS token FROM (
    SELECT id, row_number() OVER (PARTITION BY token ORDER BY is_active IS NOT 1, id) AS place FROM api_tokens
) WHERE place > 1;
UPDATE api_tokens SET token = (SELECT d.token FROM doubled AS d WHERE d.id = api_tokens.id)
WHERE id IN (SELECT id FROM doubled);
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'api_tokens', token, 'token', 'that of another row', 'another row has this token' FROM doubled;
INSERT INTO kept (table_name, row_key, column_name, value, reason)
SELECT 'api_tokens', token, 'created_at', created_at, 'not an integer'
FROM api_tokens WHERE typeof(created_at) NOT IN ('integer', 'null')
UNION ALL SELECT 'api_tokens', token, 'last_used', last_used, 'not an integer'
FROM api_tokens WHERE typeof(last_used) NOT IN ('integer', 'null')
UNION ALL SELECT 'api_tokens', token, 'is_active', is_active, 'not a flag'
FROM api_tokens WHERE is_active NOT IN (0, 1);
CREATE TABLE new_api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    name TEXT,
    permissions TEXT,
    description TEXT,
    created_at INTEGER NOT NULL,
    last_used INTEGER,
    is_active BOOLEAN NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1))
);
INSERT INTO new_api_tokens (
    id, token, name, description, permissions, created_at, last_used, is_active
) SELECT
    id,
    token,
    name,
    description,
    permissions,
    coalesce(CAST(created_at AS INTEGER), 0),
    CASE WHEN typeof(last_used) IN ('integer', 'real') THEN CAST(last_used AS INTEGER) END,
    CASE WHEN typeof(is_active) IN ('integer', 'real') THEN is_active <> 0 ELSE 0 END
    AND id NOT IN (SELECT id FROM doubled)
FROM api_tokens;
DROP TABLE api_tokens;
ALTER TABLE new_api_tokens RENAME TO api_tokens;
CREATE INDEX idx_api_tokens_active ON api_tokens (is_active, created_at);

INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT table_name, row_key, column_name, CASE
    WHEN typeof(value) <> 'real' THEN value
    WHEN value = 9e999 THEN '9e999'
    WHEN value = -9e999 THEN '-9e999'
    ELSE printf('%!.17g', value) END, reason
FROM kept ORDER BY rowid;
DROP TABLE kept;
DROP TABLE doubled;
