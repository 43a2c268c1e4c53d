//! Sessions of all users at once.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{
    CurrentStatusRepository as _, SessionRepository as _, StatusUpdate, UserCountRepository as _,
    UserStatsRepository as _,
};
use underpin_testkit::TestDb;

use crate::{Bot, NOW, on_head};

/// Last seen, time, and whether a session is open.
async fn user(db: &Db, name: &str) -> (i64, i64, bool) {
    let found = db.user_stats(name.to_owned()).await.unwrap().unwrap();
    (found.last_seen, found.total_time_connected, found.current_session_start.is_some())
}

/// Forgets when the database was made, which counts as a sign of life.
fn forget_birth(on: &TestDb) {
    on.batch("UPDATE current_status SET last_updated = 0");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn ending_all_sessions_credits_each_its_own_time(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        assert_eq!(db.end_sessions(NOW).await.unwrap(), 0);
        on.batch("INSERT INTO user_stats VALUES ('zero', 1, 2, 3, 4, 0)");
        for (name, joined) in [("a", NOW - 30), ("b", NOW), ("late", NOW + 10), ("gone", NOW - 9)] {
            db.user_joined(name.to_owned(), joined).await.unwrap();
        }
        db.user_left("gone".to_owned(), NOW - 2).await.unwrap();

        assert_eq!(db.end_sessions(NOW).await.unwrap(), 3);

        assert_eq!(user(&db, "a").await, (NOW, 30, false));
        assert_eq!(user(&db, "b").await, (NOW, 0, false));
        assert_eq!(user(&db, "late").await, (NOW, 0, false));
        assert_eq!(user(&db, "gone").await, (NOW - 2, 7, false));
        assert_eq!(user(&db, "zero").await, (2, 4, true));
        assert_eq!(db.end_sessions(NOW + 5).await.unwrap(), 0);
        assert_eq!(user(&db, "a").await, (NOW, 30, false));
    });
}

/// The time of one user that is full keeps nobody's session open.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_time_that_is_full_stays_full(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let max = i64::MAX;
        on.batch(&format!(
            "INSERT INTO user_stats VALUES ('full', 1, 2, 3, {max}, {NOW}), \
             ('nearly', 1, 2, 3, {max} - 9, {NOW}), ('room', 1, 2, 3, {max} - 10, {NOW}), \
             ('below', 1, 2, 3, -5, {NOW}), ('usual', 1, 2, 3, 4, {NOW})"
        ));

        assert_eq!(db.end_sessions(NOW + 10).await.unwrap(), 5);

        for (name, time) in
            [("full", max), ("nearly", max), ("room", max), ("below", 5), ("usual", 14)]
        {
            assert_eq!(user(&db, name).await, (NOW + 10, time, false), "{name}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_last_sign_of_life_is_the_latest_of_all_kinds(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        assert!(db.last_sign_of_life().await.unwrap() > NOW, "when the database was made");
        on.batch("DELETE FROM current_status");
        assert_eq!(db.last_sign_of_life().await.unwrap(), 0);

        db.log_user_count(1, 1, NOW).await.unwrap();
        assert_eq!(db.last_sign_of_life().await.unwrap(), NOW);
        db.user_joined("zoe".to_owned(), NOW + 1).await.unwrap();
        assert_eq!(db.last_sign_of_life().await.unwrap(), NOW + 1);
        let update = StatusUpdate { playlist_items: Some(1), ..StatusUpdate::default() };
        db.update_current_status(update, NOW + 2).await.unwrap();
        assert_eq!(db.last_sign_of_life().await.unwrap(), NOW + 2);
        db.log_user_count(1, 1, NOW + 3).await.unwrap();
        assert_eq!(db.last_sign_of_life().await.unwrap(), NOW + 3);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_silence_is_nobodys_time(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        forget_birth(&on);
        db.user_joined("a".to_owned(), NOW - 100).await.unwrap();
        db.user_joined("b".to_owned(), NOW - 40).await.unwrap();
        db.log_user_count(2, 2, NOW).await.unwrap();

        // Not longer than it may be, or not at all: the sessions go on.
        for now in [NOW + 600, NOW, NOW - 1, NOW - 10_000, i64::MIN] {
            assert_eq!(db.end_sessions_after_silence(now, 600).await.unwrap(), 0, "at {now}");
        }
        assert_eq!(db.end_sessions_after_silence(i64::MAX, i64::MAX).await.unwrap(), 0);
        assert_eq!(user(&db, "a").await, (NOW - 100, 0, true));

        assert_eq!(db.end_sessions_after_silence(NOW + 601, 600).await.unwrap(), 2);
        assert_eq!(user(&db, "a").await, (NOW, 100, false));
        assert_eq!(user(&db, "b").await, (NOW, 40, false));
        assert_eq!(db.end_sessions_after_silence(NOW + 9_000, 600).await.unwrap(), 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_silence_without_sessions_ends_none(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        forget_birth(&on);
        assert_eq!(db.end_sessions_after_silence(NOW, 0).await.unwrap(), 0);

        db.user_joined("a".to_owned(), NOW).await.unwrap();
        db.user_left("a".to_owned(), NOW + 1).await.unwrap();
        assert_eq!(db.end_sessions_after_silence(NOW + 100, 0).await.unwrap(), 0);
        assert_eq!(user(&db, "a").await, (NOW + 1, 1, false));
    });
}
