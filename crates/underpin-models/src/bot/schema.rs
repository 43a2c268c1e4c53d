//! The tables of the `bot` set at the head of its migrations.

#![expect(missing_docs, reason = "the row structs say what each column means")]

diesel::table! {
    api_tokens (id) {
        id -> BigInt,
        token_hash -> Text,
        preview -> Text,
        name -> Nullable<Text>,
        permissions -> Nullable<Text>,
        description -> Nullable<Text>,
        created_at -> BigInt,
        last_used -> Nullable<BigInt>,
        is_active -> Bool,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    channel_stats (id) {
        id -> BigInt,
        max_users -> BigInt,
        max_users_timestamp -> Nullable<BigInt>,
        max_connected -> BigInt,
        max_connected_timestamp -> Nullable<BigInt>,
        last_updated -> BigInt,
    }
}

diesel::table! {
    current_status (id) {
        id -> BigInt,
        status -> Text,
        bot_name -> Nullable<Text>,
        bot_rank -> Nullable<Double>,
        bot_afk -> Nullable<Bool>,
        channel_name -> Nullable<Text>,
        current_chat_users -> BigInt,
        current_connected_users -> BigInt,
        playlist_items -> BigInt,
        current_media_title -> Nullable<Text>,
        current_media_duration -> Nullable<BigInt>,
        bot_start_time -> Nullable<BigInt>,
        bot_connected -> Nullable<Bool>,
        current_users -> BigInt,
        connected_users -> BigInt,
        last_updated -> BigInt,
    }
}

diesel::table! {
    dead_letters (id) {
        id -> BigInt,
        stream -> Text,
        sequence -> BigInt,
        subject -> Text,
        payload -> Text,
        happened_at -> BigInt,
        failed_at -> BigInt,
        code -> Nullable<Text>,
        reason -> Text,
        outcome -> Nullable<Text>,
        settled_at -> Nullable<BigInt>,
        settled_by -> Nullable<Text>,
    }
}

diesel::table! {
    event_positions (stream) {
        stream -> Text,
        incarnation -> Text,
        sequence -> BigInt,
    }
}

diesel::table! {
    job_runs (job) {
        job -> Text,
        last_run -> BigInt,
    }
}

diesel::table! {
    outbound_messages (id) {
        id -> BigInt,
        timestamp -> BigInt,
        message -> Text,
        sent -> Bool,
        sent_timestamp -> Nullable<BigInt>,
        retry_count -> BigInt,
        error_message -> Nullable<Text>,
        last_attempt -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    recent_chat (id) {
        id -> BigInt,
        timestamp -> BigInt,
        username -> Text,
        message -> Text,
    }
}

diesel::table! {
    bot_recovered_values (id) {
        id -> BigInt,
        table_name -> Text,
        row_key -> Text,
        column_name -> Text,
        value -> Nullable<Text>,
        reason -> Text,
    }
}

diesel::table! {
    user_actions (id) {
        id -> BigInt,
        timestamp -> BigInt,
        username -> Text,
        action_type -> Text,
        details -> Nullable<Text>,
    }
}

diesel::table! {
    user_count_history (id) {
        id -> BigInt,
        timestamp -> BigInt,
        chat_users -> BigInt,
        connected_users -> BigInt,
    }
}

diesel::table! {
    user_stats (username) {
        username -> Text,
        first_seen -> BigInt,
        last_seen -> BigInt,
        total_chat_lines -> BigInt,
        total_time_connected -> BigInt,
        current_session_start -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    api_tokens,
    channel_stats,
    current_status,
    dead_letters,
    event_positions,
    job_runs,
    outbound_messages,
    recent_chat,
    bot_recovered_values,
    user_actions,
    user_count_history,
    user_stats,
);
