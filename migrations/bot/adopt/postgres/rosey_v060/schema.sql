-- What Rosey v0.6.0 creates in PostgreSQL. Its indexes are not part of the shape: they hold no data, and
-- mapping replaces them.

CREATE TABLE user_stats (
    username VARCHAR(50) NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    total_chat_lines INTEGER DEFAULT '0' NOT NULL,
    total_time_connected INTEGER DEFAULT '0' NOT NULL,
    current_session_start INTEGER,
    PRIMARY KEY (username),
    CONSTRAINT check_positive_lines CHECK (total_chat_lines >= 0),
    CONSTRAINT check_positive_time CHECK (total_time_connected >= 0)
);

CREATE TABLE user_actions (
    id SERIAL NOT NULL,
    timestamp INTEGER NOT NULL,
    username VARCHAR(50) NOT NULL,
    action_type VARCHAR(50) NOT NULL,
    details TEXT,
    PRIMARY KEY (id)
);

CREATE TABLE channel_stats (
    id INTEGER NOT NULL,
    max_users INTEGER DEFAULT '0' NOT NULL,
    max_users_timestamp INTEGER,
    max_connected INTEGER,
    max_connected_timestamp INTEGER,
    last_updated INTEGER NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT check_singleton CHECK (id = 1),
    CONSTRAINT check_positive_users CHECK (max_users >= 0)
);

CREATE TABLE user_count_history (
    id SERIAL NOT NULL,
    timestamp INTEGER NOT NULL,
    chat_users INTEGER NOT NULL,
    connected_users INTEGER NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT check_positive_chat_users CHECK (chat_users >= 0),
    CONSTRAINT check_positive_connected CHECK (connected_users >= 0),
    CONSTRAINT check_connected_ge_chat CHECK (connected_users >= chat_users)
);

CREATE TABLE recent_chat (
    id SERIAL NOT NULL,
    timestamp INTEGER NOT NULL,
    username VARCHAR(50) NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE current_status (
    id INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    status VARCHAR(50) DEFAULT 'offline' NOT NULL,
    bot_name VARCHAR(50),
    bot_rank INTEGER,
    bot_afk BOOLEAN,
    channel_name VARCHAR(100),
    current_users INTEGER DEFAULT '0' NOT NULL,
    connected_users INTEGER DEFAULT '0' NOT NULL,
    current_chat_users INTEGER,
    current_connected_users INTEGER,
    playlist_items INTEGER,
    current_media_title TEXT,
    current_media_duration INTEGER,
    bot_start_time INTEGER,
    bot_connected BOOLEAN,
    PRIMARY KEY (id),
    CONSTRAINT check_singleton CHECK (id = 1),
    CONSTRAINT check_positive_current CHECK (current_users >= 0),
    CONSTRAINT check_positive_connected CHECK (connected_users >= 0)
);

CREATE TABLE outbound_messages (
    id SERIAL NOT NULL,
    timestamp INTEGER NOT NULL,
    sent_timestamp INTEGER,
    message TEXT NOT NULL,
    sent BOOLEAN DEFAULT '0' NOT NULL,
    retry_count INTEGER DEFAULT '0' NOT NULL,
    error_message TEXT,
    PRIMARY KEY (id),
    CONSTRAINT check_positive_retries CHECK (retry_count >= 0)
);

CREATE TABLE api_tokens (
    id SERIAL NOT NULL,
    token VARCHAR(255) NOT NULL,
    name VARCHAR(100),
    description TEXT,
    permissions TEXT,
    created_at INTEGER NOT NULL,
    last_used INTEGER,
    is_active BOOLEAN DEFAULT '1' NOT NULL,
    PRIMARY KEY (id)
);
