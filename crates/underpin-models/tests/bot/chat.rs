//! What is said, counted and kept.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{
    RecentChatRepository as _, UserActionRepository as _, UserStatsRepository as _,
};

use crate::{Bot, NOW, hostile, on_head};

/// The texts of the lines that [`recent_chat`] gives.
///
/// [`recent_chat`]: underpin_models::bot::RecentChatRepository::recent_chat
async fn texts(db: &Db, since: Option<i64>, limit: i64) -> Vec<String> {
    let lines = db.recent_chat(since, limit).await.unwrap();
    lines.into_iter().map(|line| line.message).collect()
}

async fn lines_of(db: &Db, name: &str) -> Option<i64> {
    db.user_stats(name.to_owned()).await.unwrap().map(|user| user.total_chat_lines)
}

async fn say(db: &Db, name: &str, message: &str, now: i64) {
    db.user_chat_message(name.to_owned(), message.to_owned(), now).await.unwrap();
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_line_is_counted_for_who_is_known_and_kept_of_anybody(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        say(&db, "zoe", "hi", NOW + 1).await;
        say(&db, "Zoe", "hi too", NOW + 2).await;

        let zoe = db.user_stats("zoe".to_owned()).await.unwrap().unwrap();
        assert_eq!((zoe.total_chat_lines, zoe.last_seen), (1, NOW + 1));
        assert_eq!(lines_of(&db, "Zoe").await, None);
        let kept = db.recent_chat(None, 10).await.unwrap();
        let kept: Vec<_> = kept
            .iter()
            .map(|line| (line.timestamp, line.username.as_str(), line.message.as_str()))
            .collect();
        assert_eq!(kept, [(NOW + 1, "zoe", "hi"), (NOW + 2, "Zoe", "hi too")]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_the_channel_says_and_nothing_at_all_are_counted_but_not_kept(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for name in ["server", "SERVER", "Server", "", "zoe"] {
            db.user_joined(name.to_owned(), NOW).await.unwrap();
        }
        for name in ["server", "SERVER", "Server", ""] {
            say(&db, name, "welcome", NOW + 1).await;
            assert_eq!(lines_of(&db, name).await, Some(1), "{name:?}");
        }
        say(&db, "zoe", "", NOW + 1).await;
        assert_eq!(lines_of(&db, "zoe").await, Some(1));
        assert_eq!(texts(&db, None, 10).await, Vec::<String>::new());

        // Only the whole name is the channel's; and nothing is trimmed.
        for (name, line) in [("servers", "1"), (" server", "2"), ("zoe", " ")] {
            say(&db, name, line, NOW + 2).await;
        }
        assert_eq!(texts(&db, None, 10).await, ["1", "2", " "]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_line_that_cannot_be_kept_is_not_counted(#[case] dialect: Dialect) {
    on_head(dialect, async |bot| {
        bot.refuse_boom();
        bot.db.user_joined("zoe".to_owned(), NOW).await.unwrap();

        let said = bot.db.user_chat_message("zoe".to_owned(), "boom".to_owned(), NOW + 1).await;

        assert!(said.unwrap_err().message.contains("no"), "what the database says");
        let zoe = bot.db.user_stats("zoe".to_owned()).await.unwrap().unwrap();
        assert_eq!((zoe.total_chat_lines, zoe.last_seen), (0, NOW));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_kept_line_reads_back_as_it_was_said(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let texts = hostile();
        for (text, now) in texts.iter().zip(NOW..) {
            db.log_chat(text.clone(), format!("<{text}>"), now).await.unwrap();
        }

        let lines = db.recent_chat(None, i64::MAX).await.unwrap();
        let read: Vec<_> = lines.into_iter().map(|line| (line.username, line.message)).collect();
        let said: Vec<_> =
            texts.into_iter().map(|text| (text.clone(), format!("<{text}>"))).collect();
        assert_eq!(read, said);
        assert_eq!(db.total_users_seen().await.unwrap(), 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn keeping_a_line_counts_nothing_and_filters_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        for (name, message) in [("zoe", "hi"), ("server", "welcome"), ("", "")] {
            db.log_chat(name.to_owned(), message.to_owned(), NOW + 1).await.unwrap();
        }

        assert_eq!(texts(&db, None, 10).await, ["hi", "welcome", ""]);
        let zoe = db.user_stats("zoe".to_owned()).await.unwrap().unwrap();
        assert_eq!((zoe.total_chat_lines, zoe.last_seen), (0, NOW));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_limit_keeps_the_newest_and_gives_the_oldest_of_them_first(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        // Two in one second, then the clock goes back; at last two in one second again.
        for (now, text) in [(NOW, "b"), (NOW, "c"), (NOW - 5, "a"), (NOW + 1, "d"), (NOW + 1, "e")]
        {
            db.log_chat("zoe".to_owned(), text.to_owned(), now).await.unwrap();
        }
        let all = ["a", "b", "c", "d", "e"];

        for (limit, number) in [(0, 0), (1, 1), (2, 2), (4, 4), (5, 5), (i64::MAX, 5), (-1, 0)] {
            assert_eq!(texts(&db, None, limit).await, all[5 - number..], "limit {limit}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn since_includes_its_second(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (now, text) in [(i64::MIN, "min"), (-1, "past"), (NOW, "now"), (i64::MAX, "max")] {
            db.log_chat("zoe".to_owned(), text.to_owned(), now).await.unwrap();
        }

        assert_eq!(texts(&db, None, 10).await, ["min", "past", "now", "max"]);
        assert_eq!(texts(&db, Some(NOW), 10).await, ["now", "max"]);
        assert_eq!(texts(&db, Some(NOW + 1), 10).await, ["max"]);
        // The newest survive a limit, whatever the start.
        assert_eq!(texts(&db, Some(-1), 2).await, ["now", "max"]);
        assert_eq!(texts(&db, Some(i64::MAX), 10).await, ["max"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_older_lines_are_deleted(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (now, text) in [(NOW - 1, "old"), (NOW, "kept"), (NOW - 9, "older"), (NOW + 1, "new")] {
            db.log_chat("zoe".to_owned(), text.to_owned(), now).await.unwrap();
        }

        assert_eq!(db.delete_chat_before(NOW).await.unwrap(), 2);
        assert_eq!(texts(&db, None, 10).await, ["kept", "new"]);
        assert_eq!(db.delete_chat_before(NOW).await.unwrap(), 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_action_is_appended(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        for (text, now) in hostile().into_iter().zip(NOW..) {
            let details = format!("cmd={text}");
            db.log_user_action(text.clone(), text, Some(details), now).await.unwrap();
        }
        db.log_user_action("zoe".to_owned(), "pm_command".to_owned(), None, -1).await.unwrap();

        let column = |name: &str| on.texts(&format!("SELECT {name} FROM user_actions ORDER BY id"));
        let mut names = hostile();
        let details: Vec<_> = names.iter().map(|text| format!("cmd={text}")).collect();
        assert_eq!(column("details"), details);
        names.push("zoe".to_owned());
        assert_eq!(column("username"), names);
        names.pop();
        names.push("pm_command".to_owned());
        assert_eq!(column("action_type"), names);
        assert_eq!(column("CAST(timestamp AS TEXT)").last().unwrap(), "-1");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn pages_of_messages_begin_with_the_newest(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (message, now) in [("a", NOW), ("b", NOW + 1), ("c", NOW + 1), ("d", NOW - 1)] {
            say(&db, "zoe", message, now).await;
        }
        let page = async |limit, offset| -> Vec<String> {
            let lines = db.recent_messages(limit, offset).await.unwrap();
            lines.into_iter().map(|line| line.message).collect()
        };

        assert_eq!(page(100, 0).await, ["c", "b", "a", "d"]);
        assert_eq!(page(2, 1).await, ["b", "a"]);
        assert_eq!(page(2, -1).await, ["c", "b"]);
        assert!(page(-1, 0).await.is_empty() && page(9, 4).await.is_empty());
    });
}
