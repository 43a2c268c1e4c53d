//! What the bot says about itself.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{CurrentStatus, CurrentStatusRepository as _, StatusUpdate};

use crate::{Bot, NOW, hostile, on_head};

async fn status(db: &Db) -> CurrentStatus {
    db.current_status().await.unwrap().unwrap()
}

/// A row about which nobody said anything yet.
fn silent() -> CurrentStatus {
    CurrentStatus {
        id: 1,
        status: "offline".to_owned(),
        bot_name: None,
        bot_rank: None,
        bot_afk: None,
        channel_name: None,
        current_chat_users: 0,
        current_connected_users: 0,
        playlist_items: 0,
        current_media_title: None,
        current_media_duration: None,
        bot_start_time: None,
        bot_connected: None,
        current_users: 0,
        connected_users: 0,
        last_updated: 0,
    }
}

/// Says something about everything.
fn everything() -> StatusUpdate {
    StatusUpdate {
        bot_name: Some(Some("ros\u{e9}y".to_owned())),
        bot_rank: Some(Some(2.5)),
        bot_afk: Some(Some(true)),
        channel_name: Some(Some("O'Channel".to_owned())),
        current_chat_users: Some(3),
        current_connected_users: Some(-1),
        playlist_items: Some(i64::MAX),
        current_media_title: Some(Some(String::new())),
        current_media_duration: Some(Some(90)),
        bot_start_time: Some(Some(NOW - 5)),
        bot_connected: Some(Some(true)),
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_new_database_has_a_status(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let new = status(&db).await;

        assert_eq!((new.id, new.status.as_str(), new.bot_name), (1, "offline", None));
        assert_eq!(new.current_chat_users, 0);
        assert!(new.last_updated > NOW, "when the database was made");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_said_is_taken_over_and_the_rest_stays(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        on.batch("DELETE FROM current_status");
        assert_eq!(db.current_status().await.unwrap(), None);

        db.update_current_status(everything(), NOW).await.unwrap();
        let told = CurrentStatus {
            status: "online".to_owned(),
            bot_name: Some("ros\u{e9}y".to_owned()),
            bot_rank: Some(2.5),
            bot_afk: Some(true),
            channel_name: Some("O'Channel".to_owned()),
            current_chat_users: 3,
            current_connected_users: -1,
            playlist_items: i64::MAX,
            current_media_title: Some(String::new()),
            current_media_duration: Some(90),
            bot_start_time: Some(NOW - 5),
            bot_connected: Some(true),
            last_updated: NOW,
            ..silent()
        };
        assert_eq!(status(&db).await, told);

        let update = StatusUpdate {
            current_media_title: Some(None),
            current_media_duration: Some(None),
            playlist_items: Some(0),
            ..StatusUpdate::default()
        };
        db.update_current_status(update, NOW - 7).await.unwrap();
        let silenced = CurrentStatus {
            current_media_title: None,
            current_media_duration: None,
            playlist_items: 0,
            last_updated: NOW - 7,
            ..told
        };
        assert_eq!(status(&db).await, silenced);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_update_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let before = status(&db).await;
        db.update_current_status(StatusUpdate::default(), NOW).await.unwrap();
        assert_eq!(status(&db).await, before);

        on.batch("DELETE FROM current_status");
        db.update_current_status(StatusUpdate::default(), NOW).await.unwrap();
        assert_eq!(db.current_status().await.unwrap(), None);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn each_field_alone_is_an_update(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let all = everything();
        let none = StatusUpdate::default;
        let updates = [
            StatusUpdate { bot_name: all.bot_name, ..none() },
            StatusUpdate { bot_rank: all.bot_rank, ..none() },
            StatusUpdate { bot_afk: all.bot_afk, ..none() },
            StatusUpdate { channel_name: all.channel_name, ..none() },
            StatusUpdate { current_chat_users: all.current_chat_users, ..none() },
            StatusUpdate { current_connected_users: all.current_connected_users, ..none() },
            StatusUpdate { playlist_items: all.playlist_items, ..none() },
            StatusUpdate { current_media_title: all.current_media_title, ..none() },
            StatusUpdate { current_media_duration: all.current_media_duration, ..none() },
            StatusUpdate { bot_start_time: all.bot_start_time, ..none() },
            StatusUpdate { bot_connected: all.bot_connected, ..none() },
        ];
        let mut before = status(&db).await;
        for (update, now) in updates.into_iter().zip(NOW..) {
            db.update_current_status(update.clone(), now).await.unwrap();
            let after = status(&db).await;
            assert_eq!(after.last_updated, now, "{update:?}");
            assert_ne!(after, CurrentStatus { last_updated: now, ..before }, "{update:?}");
            before = after;
        }

        db.update_current_status(everything(), before.last_updated).await.unwrap();
        assert_eq!(status(&db).await, before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_bot_is_online_while_it_says_that_it_is_connected(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (connected, expected) in [
            (Some(Some(true)), "online"),
            (None, "online"),
            (Some(Some(false)), "offline"),
            (None, "offline"),
            (Some(Some(true)), "online"),
            (Some(None), "offline"),
        ] {
            let update = StatusUpdate {
                bot_connected: connected,
                playlist_items: Some(1),
                ..StatusUpdate::default()
            };
            db.update_current_status(update, NOW).await.unwrap();

            let now = status(&db).await;
            assert_eq!(now.status, expected, "{connected:?}");
            assert_eq!(now.bot_connected == Some(true), expected == "online", "{connected:?}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_said_reads_back(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for text in hostile() {
            let update = StatusUpdate {
                bot_name: Some(Some(text.clone())),
                current_media_title: Some(Some(text.clone())),
                ..StatusUpdate::default()
            };
            db.update_current_status(update, NOW).await.unwrap();
            let read = status(&db).await;
            assert_eq!(read.bot_name.as_ref(), Some(&text));
            assert_eq!(read.current_media_title, Some(text));
        }
        for rank in [0.1, -1.0, 3.0, f64::MAX, f64::MIN_POSITIVE] {
            let update = StatusUpdate { bot_rank: Some(Some(rank)), ..StatusUpdate::default() };
            db.update_current_status(update, NOW).await.unwrap();
            assert_eq!(status(&db).await.bot_rank, Some(rank));
        }
    });
}
