-- Back to the conventions. Values that were put aside go back where they were. What the first
-- version has no place for is lost: api_tokens.name and .permissions, and current_status.status,
-- .current_users and .connected_users, none of which any program has written after the mapping.

-- user_stats
CREATE TABLE new_user_stats (
    username TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    total_chat_lines INTEGER DEFAULT 0,
    total_time_connected INTEGER DEFAULT 0,
    current_session_start INTEGER
);
INSERT INTO new_user_stats
    (username, first_seen, last_seen, total_chat_lines, total_time_connected, current_session_start)
SELECT username, first_seen, last_seen, total_chat_lines, total_time_connected, current_session_start
FROM user_stats ORDER BY rowid;
DROP TABLE user_stats;
ALTER TABLE new_user_stats RENAME TO user_stats;
UPDATE user_stats SET first_seen = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'first_seen' AND row_key = user_stats.username)
WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'first_seen');
UPDATE user_stats SET last_seen = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'last_seen' AND row_key = user_stats.username)
WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'last_seen');
UPDATE user_stats SET total_chat_lines = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'total_chat_lines' AND row_key = user_stats.username)
WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'total_chat_lines');
UPDATE user_stats SET total_time_connected = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'total_time_connected' AND row_key = user_stats.username)
WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'total_time_connected');
UPDATE user_stats SET current_session_start = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'current_session_start' AND row_key = user_stats.username)
WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'current_session_start');

-- user_actions, user_count_history, recent_chat
UPDATE user_actions SET timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_actions' AND column_name = 'timestamp' AND row_key = CAST(user_actions.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_actions' AND column_name = 'timestamp');
UPDATE user_count_history SET timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'timestamp' AND row_key = CAST(user_count_history.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'timestamp');
UPDATE user_count_history SET chat_users = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'chat_users' AND row_key = CAST(user_count_history.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'chat_users');
UPDATE user_count_history SET connected_users = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'connected_users' AND row_key = CAST(user_count_history.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_count_history' AND column_name = 'connected_users');
UPDATE recent_chat SET timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'recent_chat' AND column_name = 'timestamp' AND row_key = CAST(recent_chat.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'recent_chat' AND column_name = 'timestamp');
DROP INDEX idx_user_actions_timestamp;
DROP INDEX idx_user_actions_username;
DROP INDEX idx_recent_chat_timestamp;
CREATE INDEX idx_recent_chat_timestamp ON recent_chat (timestamp DESC);

-- channel_stats
CREATE TABLE new_channel_stats (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    max_users INTEGER DEFAULT 0,
    max_users_timestamp INTEGER,
    max_connected INTEGER DEFAULT 0,
    max_connected_timestamp INTEGER,
    last_updated INTEGER
);
INSERT INTO new_channel_stats
    (id, max_users, max_users_timestamp, max_connected, max_connected_timestamp, last_updated)
SELECT id, max_users, max_users_timestamp, max_connected, max_connected_timestamp, last_updated
FROM channel_stats;
DROP TABLE channel_stats;
ALTER TABLE new_channel_stats RENAME TO channel_stats;
UPDATE channel_stats SET max_users = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_users' AND row_key = CAST(channel_stats.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_users');
UPDATE channel_stats SET max_users_timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_users_timestamp' AND row_key = CAST(channel_stats.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_users_timestamp');
UPDATE channel_stats SET max_connected = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_connected' AND row_key = CAST(channel_stats.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_connected');
UPDATE channel_stats SET max_connected_timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_connected_timestamp' AND row_key = CAST(channel_stats.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'max_connected_timestamp');
UPDATE channel_stats SET last_updated = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'last_updated' AND row_key = CAST(channel_stats.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'channel_stats' AND column_name = 'last_updated');

-- current_status
CREATE TABLE new_current_status (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    bot_name TEXT,
    bot_rank REAL,
    bot_afk INTEGER DEFAULT 0,
    channel_name TEXT,
    current_chat_users INTEGER DEFAULT 0,
    current_connected_users INTEGER DEFAULT 0,
    playlist_items INTEGER DEFAULT 0,
    current_media_title TEXT,
    current_media_duration INTEGER,
    bot_start_time INTEGER,
    bot_connected INTEGER DEFAULT 0,
    last_updated INTEGER
);
INSERT INTO new_current_status
    (id, bot_name, bot_rank, bot_afk, channel_name, current_chat_users, current_connected_users,
    playlist_items, current_media_title, current_media_duration, bot_start_time, bot_connected,
    last_updated)
SELECT id, bot_name, bot_rank, bot_afk, channel_name, current_chat_users, current_connected_users,
    playlist_items, current_media_title, current_media_duration, bot_start_time, bot_connected,
    last_updated
FROM current_status;
DROP TABLE current_status;
ALTER TABLE new_current_status RENAME TO current_status;
UPDATE current_status SET bot_rank = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_rank' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_rank');
UPDATE current_status SET bot_afk = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_afk' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_afk');
UPDATE current_status SET bot_connected = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_connected' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_connected');
UPDATE current_status SET current_chat_users = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_chat_users' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_chat_users');
UPDATE current_status SET current_connected_users = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_connected_users' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_connected_users');
UPDATE current_status SET playlist_items = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'playlist_items' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'playlist_items');
UPDATE current_status SET last_updated = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'last_updated' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'last_updated');
UPDATE current_status SET current_media_duration = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_media_duration' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'current_media_duration');
UPDATE current_status SET bot_start_time = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_start_time' AND row_key = CAST(current_status.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'current_status' AND column_name = 'bot_start_time');

-- outbound_messages
CREATE TABLE new_outbound_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp INTEGER NOT NULL,
    message TEXT NOT NULL,
    sent INTEGER DEFAULT 0,
    sent_timestamp INTEGER,
    retry_count INTEGER DEFAULT 0,
    last_error TEXT
);
INSERT INTO new_outbound_messages
    (id, timestamp, message, sent, sent_timestamp, retry_count, last_error)
SELECT id, timestamp, message, sent, sent_timestamp, retry_count, error_message
FROM outbound_messages;
DELETE FROM sqlite_sequence WHERE name = 'new_outbound_messages';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_outbound_messages', seq FROM sqlite_sequence WHERE name = 'outbound_messages';
DROP TABLE outbound_messages;
ALTER TABLE new_outbound_messages RENAME TO outbound_messages;
CREATE INDEX idx_outbound_sent ON outbound_messages (sent, timestamp);
UPDATE outbound_messages SET timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'timestamp' AND row_key = CAST(outbound_messages.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'timestamp');
UPDATE outbound_messages SET sent = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'sent' AND row_key = CAST(outbound_messages.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'sent');
UPDATE outbound_messages SET sent_timestamp = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'sent_timestamp' AND row_key = CAST(outbound_messages.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'sent_timestamp');
UPDATE outbound_messages SET retry_count = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'retry_count' AND row_key = CAST(outbound_messages.id AS TEXT))
WHERE CAST(id AS TEXT) IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'outbound_messages' AND column_name = 'retry_count');

-- api_tokens
CREATE TABLE new_api_tokens (
    token TEXT PRIMARY KEY,
    description TEXT,
    created_at INTEGER NOT NULL,
    last_used INTEGER,
    revoked INTEGER DEFAULT 0
);
INSERT INTO new_api_tokens (token, description, created_at, last_used, revoked)
SELECT token, description, created_at, last_used, NOT is_active FROM api_tokens ORDER BY id;
DROP TABLE api_tokens;
ALTER TABLE new_api_tokens RENAME TO api_tokens;
CREATE INDEX idx_api_tokens_revoked ON api_tokens (revoked, token);
UPDATE api_tokens SET created_at = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'created_at' AND row_key = api_tokens.token)
WHERE token IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'created_at');
UPDATE api_tokens SET last_used = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'last_used' AND row_key = api_tokens.token)
WHERE token IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'last_used');
UPDATE api_tokens SET revoked = (SELECT value FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'revoked' AND row_key = api_tokens.token)
WHERE token IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'revoked');

-- Keys last: the records name their row by them.
UPDATE user_stats SET username = NULL WHERE username IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'user_stats' AND column_name = 'username');
UPDATE api_tokens SET token = NULL WHERE token IN (SELECT row_key FROM bot_recovered_values
    WHERE table_name = 'api_tokens' AND column_name = 'token' AND value IS NULL);
DROP TABLE bot_recovered_values;
