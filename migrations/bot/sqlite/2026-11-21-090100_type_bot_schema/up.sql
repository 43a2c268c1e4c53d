-- Types where there were conventions: flags are booleans, counters are never NULL, tokens get an id
-- of their own, and each purpose has one index.
--
-- SQLite keeps any value in any column, so a file may hold text, a fraction or a blob where an
-- integer belongs, and NULL in a text key. Such a value moves to `bot_recovered_values` as it was, and
-- its row goes on with the nearest integer, or with NULL or 0 when there is none. No row is
-- dropped, and no check rejects what the bot has written: a chat count above the connected count,
-- a negative duration, a name of any length.

CREATE TABLE bot_recovered_values (
    id INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_key TEXT NOT NULL,
    column_name TEXT NOT NULL,
    value TEXT,
    reason TEXT NOT NULL
);

-- Keys first: the other records name their row by them.
CREATE TEMP TABLE null_keys AS
SELECT 'user_stats' AS table_name, rowid AS row FROM user_stats WHERE username IS NULL
UNION ALL SELECT 'api_tokens', rowid FROM api_tokens WHERE token IS NULL;
UPDATE user_stats SET username = 'recovered-' || rowid WHERE username IS NULL
    AND NOT EXISTS (SELECT 1 FROM user_stats AS u WHERE u.username = 'recovered-' || user_stats.rowid);
UPDATE user_stats SET username = 'recovered-' || rowid || '-null' WHERE username IS NULL;
UPDATE api_tokens SET token = 'recovered-' || rowid WHERE token IS NULL
    AND NOT EXISTS (SELECT 1 FROM api_tokens AS t WHERE t.token = 'recovered-' || api_tokens.rowid);
UPDATE api_tokens SET token = 'recovered-' || rowid || '-null' WHERE token IS NULL;
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'user_stats', username, 'username', NULL, 'the key was NULL' FROM user_stats
WHERE rowid IN (SELECT row FROM null_keys WHERE table_name = 'user_stats')
UNION ALL SELECT 'api_tokens', token, 'token', NULL, 'the key was NULL' FROM api_tokens
WHERE rowid IN (SELECT row FROM null_keys WHERE table_name = 'api_tokens');

-- user_stats
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
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
INSERT INTO new_user_stats
    (username, first_seen, last_seen, total_chat_lines, total_time_connected, current_session_start)
SELECT username, CAST(first_seen AS INTEGER), CAST(last_seen AS INTEGER),
    coalesce(CAST(total_chat_lines AS INTEGER), 0),
    coalesce(CAST(total_time_connected AS INTEGER), 0),
    CASE WHEN typeof(current_session_start) IN ('integer', 'real') THEN CAST(current_session_start AS INTEGER) END
FROM user_stats ORDER BY rowid;
DROP TABLE user_stats;
ALTER TABLE new_user_stats RENAME TO user_stats;
CREATE INDEX idx_user_stats_last_seen ON user_stats (last_seen);

-- user_actions, user_count_history, recent_chat: their shape stays
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'user_actions', id, 'timestamp', timestamp, 'not an integer'
FROM user_actions WHERE typeof(timestamp) NOT IN ('integer', 'null');
UPDATE user_actions SET timestamp = CAST(timestamp AS INTEGER) WHERE typeof(timestamp) <> 'integer';
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'user_count_history', id, 'timestamp', timestamp, 'not an integer'
FROM user_count_history WHERE typeof(timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_count_history', id, 'chat_users', chat_users, 'not an integer'
FROM user_count_history WHERE typeof(chat_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'user_count_history', id, 'connected_users', connected_users, 'not an integer'
FROM user_count_history WHERE typeof(connected_users) NOT IN ('integer', 'null');
UPDATE user_count_history SET timestamp = CAST(timestamp AS INTEGER) WHERE typeof(timestamp) <> 'integer';
UPDATE user_count_history SET chat_users = CAST(chat_users AS INTEGER) WHERE typeof(chat_users) <> 'integer';
UPDATE user_count_history SET connected_users = CAST(connected_users AS INTEGER) WHERE typeof(connected_users) <> 'integer';
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'recent_chat', id, 'timestamp', timestamp, 'not an integer'
FROM recent_chat WHERE typeof(timestamp) NOT IN ('integer', 'null');
UPDATE recent_chat SET timestamp = CAST(timestamp AS INTEGER) WHERE typeof(timestamp) <> 'integer';
CREATE INDEX idx_user_actions_timestamp ON user_actions (timestamp);
CREATE INDEX idx_user_actions_username ON user_actions (username, timestamp);
DROP INDEX idx_recent_chat_timestamp;
CREATE INDEX idx_recent_chat_timestamp ON recent_chat (timestamp, id);

-- channel_stats
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'channel_stats', id, 'max_users', max_users, 'not an integer'
FROM channel_stats WHERE typeof(max_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'channel_stats', id, 'max_users_timestamp', max_users_timestamp, 'not an integer'
FROM channel_stats WHERE typeof(max_users_timestamp) NOT IN ('integer', 'null')
UNION ALL SELECT 'channel_stats', id, 'max_connected', max_connected, 'not an integer'
FROM channel_stats WHERE typeof(max_connected) NOT IN ('integer', 'null')
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
INSERT INTO new_channel_stats
    (id, max_users, max_users_timestamp, max_connected, max_connected_timestamp, last_updated)
SELECT id, coalesce(CAST(max_users AS INTEGER), 0),
    CASE WHEN typeof(max_users_timestamp) IN ('integer', 'real') THEN CAST(max_users_timestamp AS INTEGER) END,
    coalesce(CAST(max_connected AS INTEGER), 0),
    CASE WHEN typeof(max_connected_timestamp) IN ('integer', 'real') THEN CAST(max_connected_timestamp AS INTEGER) END,
    coalesce(CAST(last_updated AS INTEGER), 0)
FROM channel_stats;
DROP TABLE channel_stats;
ALTER TABLE new_channel_stats RENAME TO channel_stats;

-- current_status
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'current_status', id, 'current_chat_users', current_chat_users, 'not an integer'
FROM current_status WHERE typeof(current_chat_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'current_connected_users', current_connected_users, 'not an integer'
FROM current_status WHERE typeof(current_connected_users) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'playlist_items', playlist_items, 'not an integer'
FROM current_status WHERE typeof(playlist_items) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'last_updated', last_updated, 'not an integer'
FROM current_status WHERE typeof(last_updated) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'current_media_duration', current_media_duration, 'not an integer'
FROM current_status WHERE typeof(current_media_duration) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'bot_start_time', bot_start_time, 'not an integer'
FROM current_status WHERE typeof(bot_start_time) NOT IN ('integer', 'null')
UNION ALL SELECT 'current_status', id, 'bot_afk', bot_afk, 'not a flag'
FROM current_status WHERE bot_afk NOT IN (0, 1)
UNION ALL SELECT 'current_status', id, 'bot_connected', bot_connected, 'not a flag'
FROM current_status WHERE bot_connected NOT IN (0, 1)
UNION ALL SELECT 'current_status', id, 'bot_rank', bot_rank, 'not a number'
FROM current_status WHERE typeof(bot_rank) NOT IN ('real', 'null');
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
INSERT INTO new_current_status
    (id, status, bot_name, bot_rank, bot_afk, channel_name, current_chat_users,
    current_connected_users, playlist_items, current_media_title, current_media_duration,
    bot_start_time, bot_connected, last_updated)
SELECT id,
    CASE WHEN CASE WHEN typeof(bot_connected) IN ('integer', 'real') THEN bot_connected <> 0 ELSE 0 END THEN 'online' ELSE 'offline' END,
    bot_name,
    CASE WHEN typeof(bot_rank) = 'real' THEN bot_rank END,
    CASE WHEN typeof(bot_afk) IN ('integer', 'real') THEN bot_afk <> 0 END,
    channel_name,
    coalesce(CAST(current_chat_users AS INTEGER), 0),
    coalesce(CAST(current_connected_users AS INTEGER), 0),
    coalesce(CAST(playlist_items AS INTEGER), 0),
    current_media_title,
    CASE WHEN typeof(current_media_duration) IN ('integer', 'real') THEN CAST(current_media_duration AS INTEGER) END,
    CASE WHEN typeof(bot_start_time) IN ('integer', 'real') THEN CAST(bot_start_time AS INTEGER) END,
    CASE WHEN typeof(bot_connected) IN ('integer', 'real') THEN bot_connected <> 0 END,
    coalesce(CAST(last_updated AS INTEGER), 0)
FROM current_status;
DROP TABLE current_status;
ALTER TABLE new_current_status RENAME TO current_status;

-- outbound_messages
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
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
INSERT INTO new_outbound_messages
    (id, timestamp, message, sent, sent_timestamp, retry_count, error_message)
SELECT id, CAST(timestamp AS INTEGER), message,
    CASE WHEN typeof(sent) IN ('integer', 'real') THEN sent <> 0 ELSE 0 END,
    CASE WHEN typeof(sent_timestamp) IN ('integer', 'real') THEN CAST(sent_timestamp AS INTEGER) END,
    coalesce(CAST(retry_count AS INTEGER), 0), last_error
FROM outbound_messages;
-- Ids that were given once are not given again.
DELETE FROM sqlite_sequence WHERE name = 'new_outbound_messages';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_outbound_messages', seq FROM sqlite_sequence WHERE name = 'outbound_messages';
DROP TABLE outbound_messages;
ALTER TABLE new_outbound_messages RENAME TO outbound_messages;
CREATE INDEX idx_outbound_sent ON outbound_messages (sent, timestamp);

-- api_tokens: a token without a key was never usable and does not become so
INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
SELECT 'api_tokens', token, 'created_at', created_at, 'not an integer'
FROM api_tokens WHERE typeof(created_at) NOT IN ('integer', 'null')
UNION ALL SELECT 'api_tokens', token, 'last_used', last_used, 'not an integer'
FROM api_tokens WHERE typeof(last_used) NOT IN ('integer', 'null')
UNION ALL SELECT 'api_tokens', token, 'revoked', revoked, 'not a flag'
FROM api_tokens WHERE revoked NOT IN (0, 1);
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
INSERT INTO new_api_tokens (token, description, created_at, last_used, is_active)
SELECT token, description, CAST(created_at AS INTEGER),
    CASE WHEN typeof(last_used) IN ('integer', 'real') THEN CAST(last_used AS INTEGER) END,
    (revoked IS NULL OR revoked = 0)
    AND rowid NOT IN (SELECT row FROM null_keys WHERE table_name = 'api_tokens')
FROM api_tokens ORDER BY CAST(created_at AS INTEGER), token;
DROP TABLE api_tokens;
ALTER TABLE new_api_tokens RENAME TO api_tokens;
CREATE INDEX idx_api_tokens_active ON api_tokens (is_active, created_at);

DROP TABLE null_keys;
