//! Users, their sessions and their lines.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{UserStats, UserStatsRepository as _};

use crate::{Bot, NOW, hostile, on_head};

async fn stats(db: &Db, username: &str) -> UserStats {
    db.user_stats(username.to_owned()).await.unwrap().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_first_join_remembers_the_user_and_opens_a_session(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        assert_eq!(db.user_stats("zoe".to_owned()).await.unwrap(), None);

        db.user_joined("zoe".to_owned(), NOW).await.unwrap();

        let expected = UserStats {
            username: "zoe".to_owned(),
            first_seen: NOW,
            last_seen: NOW,
            total_chat_lines: 0,
            total_time_connected: 0,
            current_session_start: Some(NOW),
        };
        assert_eq!(stats(&db, "zoe").await, expected);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_second_join_keeps_the_open_session(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        db.user_joined("zoe".to_owned(), NOW + 50).await.unwrap();

        let open = stats(&db, "zoe").await;
        assert_eq!((open.first_seen, open.last_seen), (NOW, NOW + 50));
        assert_eq!(open.current_session_start, Some(NOW));

        db.user_left("zoe".to_owned(), NOW + 80).await.unwrap();
        assert_eq!(stats(&db, "zoe").await.total_time_connected, 80);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_return_opens_another_session_and_adds_up(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (joins, leaves) in [(NOW, NOW + 7), (NOW + 100, NOW + 101), (NOW + 200, NOW + 200)] {
            db.user_joined("zoe".to_owned(), joins).await.unwrap();
            assert_eq!(stats(&db, "zoe").await.current_session_start, Some(joins));
            db.user_left("zoe".to_owned(), leaves).await.unwrap();
        }

        let expected = UserStats {
            username: "zoe".to_owned(),
            first_seen: NOW,
            last_seen: NOW + 200,
            total_chat_lines: 0,
            total_time_connected: 8,
            current_session_start: None,
        };
        assert_eq!(stats(&db, "zoe").await, expected);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn leaving_without_a_session_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_left("nobody".to_owned(), NOW).await.unwrap();
        assert_eq!(db.total_users_seen().await.unwrap(), 0);

        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        db.user_left("zoe".to_owned(), NOW + 10).await.unwrap();
        let left = stats(&db, "zoe").await;
        db.user_left("zoe".to_owned(), NOW + 20).await.unwrap();
        assert_eq!(stats(&db, "zoe").await, left);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_session_that_began_at_0_is_none(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        on.batch("INSERT INTO user_stats VALUES ('zoe', 1, 2, 3, 4, 0), ('kim', 1, 2, 3, 4, 0)");

        db.user_left("zoe".to_owned(), NOW).await.unwrap();
        db.user_joined("kim".to_owned(), NOW).await.unwrap();

        let zoe = stats(&db, "zoe").await;
        assert_eq!(zoe.current_session_start, Some(0));
        assert_eq!((zoe.last_seen, zoe.total_time_connected), (2, 4));
        let kim = stats(&db, "kim").await;
        assert_eq!(kim.current_session_start, Some(NOW));
        assert_eq!((kim.first_seen, kim.last_seen, kim.total_time_connected), (1, NOW, 4));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_clock_that_went_back_takes_no_time_away(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        db.user_left("zoe".to_owned(), NOW + 5).await.unwrap();
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();

        db.user_left("zoe".to_owned(), NOW - 1_000).await.unwrap();

        let zoe = stats(&db, "zoe").await;
        assert_eq!((zoe.total_time_connected, zoe.current_session_start), (5, None));
        assert_eq!((zoe.first_seen, zoe.last_seen), (NOW, NOW - 1_000));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn times_before_1970_and_far_ones_are_times(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), -5).await.unwrap();
        db.user_left("zoe".to_owned(), 5).await.unwrap();
        assert_eq!(stats(&db, "zoe").await.total_time_connected, 10);

        db.user_joined("kim".to_owned(), 1).await.unwrap();
        db.user_left("kim".to_owned(), i64::MAX).await.unwrap();
        let kim = stats(&db, "kim").await;
        assert_eq!((kim.total_time_connected, kim.last_seen), (i64::MAX - 1, i64::MAX));
    });
}

/// The code with which the database refuses a sum beyond 64 bits.
fn code(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SQLite 1299",
        Dialect::Postgres => "22003",
    }
}

/// SQLite would go on with a fraction. The event is at fault on both, and nothing of it is done.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_full_counter_takes_no_more(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let max = i64::MAX;
        on.batch(&format!(
            "INSERT INTO user_stats VALUES ('lines', 1, 2, {max} - 1, 4, NULL), \
             ('time', 1, 2, 3, {max} - 9, {NOW})"
        ));
        let seen = || {
            let kind = match dialect {
                Dialect::Sqlite => "typeof",
                Dialect::Postgres => "pg_typeof",
            };
            on.texts(&format!(
                "SELECT CAST({kind}(total_chat_lines) AS TEXT) || ' ' || \
                 CAST({kind}(total_time_connected) AS TEXT) || ' ' || CAST(last_seen AS TEXT) || ' ' || \
                 CAST(total_chat_lines AS TEXT) || ' ' || CAST(total_time_connected AS TEXT) \
                 FROM user_stats ORDER BY username"
            ))
        };
        let whole = if dialect == Dialect::Sqlite { "integer integer" } else { "bigint bigint" };
        // The last one that there is room for is counted.
        db.count_chat_line("lines".to_owned(), NOW).await.unwrap();
        let full = [format!("{whole} {NOW} {max} 4"), format!("{whole} 2 3 {}", max - 9)];
        assert_eq!(seen(), full);

        let line = db.count_chat_line("lines".to_owned(), NOW + 1).await.unwrap_err();
        let left = db.user_left("time".to_owned(), NOW + 10).await.unwrap_err();

        for error in [line, left] {
            assert!(error.is_of_data(), "{error:?}");
            assert_eq!(error.code().as_deref(), Some(code(dialect)), "{error:?}");
        }
        assert_eq!(seen(), full);
        db.user_left("time".to_owned(), NOW + 9).await.unwrap();
        assert_eq!(stats(&db, "time").await.total_time_connected, max);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_is_compared_exactly(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let names = hostile();
        for (name, joined) in names.iter().zip(NOW..) {
            db.user_joined(name.clone(), joined).await.unwrap();
        }
        for (name, lines) in names.iter().zip(0..) {
            for _ in 0..lines {
                db.count_chat_line(name.clone(), NOW + 1_000).await.unwrap();
            }
            db.user_left(name.clone(), NOW + 1_000).await.unwrap();
        }

        for (name, nth) in names.iter().zip(0..) {
            let expected = UserStats {
                username: name.clone(),
                first_seen: NOW + nth,
                last_seen: NOW + 1_000,
                total_chat_lines: nth,
                total_time_connected: 1_000 - nth,
                current_session_start: None,
            };
            assert_eq!(stats(&db, name).await, expected);
        }
        assert_eq!(db.total_users_seen().await.unwrap(), i64::try_from(names.len()).unwrap());
        assert_eq!(db.user_stats("zOE".to_owned()).await.unwrap(), None);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_line_counts_for_a_known_user_only(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        db.count_chat_line("zoe".to_owned(), NOW + 9).await.unwrap();
        db.count_chat_line("nobody".to_owned(), NOW + 9).await.unwrap();

        let zoe = stats(&db, "zoe").await;
        assert_eq!((zoe.total_chat_lines, zoe.last_seen), (1, NOW + 9));
        assert_eq!((zoe.first_seen, zoe.current_session_start), (NOW, Some(NOW)));
        assert_eq!(db.total_users_seen().await.unwrap(), 1);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_top_chatters_have_said_something(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        assert_eq!(db.top_chatters(10).await.unwrap(), []);
        on.batch(
            "INSERT INTO user_stats VALUES ('quiet', 1, 2, 0, 4, NULL), ('odd', 1, 2, -1, 4, NULL), \
             ('b', 1, 2, 7, 4, NULL), ('a', 1, 2, 7, 4, NULL), ('c', 1, 2, 9223372036854775807, 4, 5), \
             ('d', 1, 2, 1, 4, NULL)",
        );
        let all = [("c", i64::MAX), ("a", 7), ("b", 7), ("d", 1)];
        let all = all.map(|(name, lines)| (name.to_owned(), lines));

        for (limit, number) in [(0, 0), (1, 1), (2, 2), (4, 4), (10, 4), (i64::MAX, 4), (-1, 0)] {
            assert_eq!(db.top_chatters(limit).await.unwrap(), all[..number], "limit {limit}");
        }
    });
}
