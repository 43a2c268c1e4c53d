//! How far the events of a stream are, and when jobs last ran.

use rstest::rstest;
use underpin_db::{Db, DbError, Dialect};
use underpin_models::bot::{EventPositionRepository as _, JobRunRepository as _};

use crate::{Bot, NOW, hostile, on_head};

async fn position(db: &Db, stream: &str, incarnation: &str) -> i64 {
    db.event_position(stream.to_owned(), incarnation.to_owned()).await.unwrap()
}

async fn advance(db: &Db, stream: &str, incarnation: &str, from: i64, to: i64) -> bool {
    let (stream, incarnation) = (stream.to_owned(), incarnation.to_owned());
    db.advance_event_position(stream, incarnation, from, to).await.unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_position_moves_on_from_where_it_is(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        assert!(!advance(&db, "BOT", "1", 0, 1).await, "nobody has asked where it is");
        assert_eq!(position(&db, "BOT", "1").await, 0);

        assert!(advance(&db, "BOT", "1", 0, 5).await);
        assert_eq!(position(&db, "BOT", "1").await, 5);
        for (from, to) in [(0, 5), (4, 6), (6, 7), (-1, 9)] {
            assert!(!advance(&db, "BOT", "1", from, to).await, "from {from}");
        }
        assert!(!advance(&db, "BOT", "2", 5, 6).await);
        assert!(!advance(&db, "bot", "1", 5, 6).await);
        assert!(advance(&db, "BOT", "1", 5, i64::MAX).await);
        assert_eq!(position(&db, "BOT", "1").await, i64::MAX);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stream_that_was_made_anew_begins_anew(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        position(&db, "BOT", "1").await;
        assert!(advance(&db, "BOT", "1", 0, 7).await);

        assert_eq!(position(&db, "BOT", "2").await, 0);
        assert!(!advance(&db, "BOT", "1", 7, 8).await);
        assert!(advance(&db, "BOT", "2", 0, 3).await);
        assert_eq!(position(&db, "BOT", "2").await, 3);
        assert_eq!(on.texts("SELECT incarnation FROM event_positions"), ["2"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn streams_and_jobs_are_told_apart_by_their_exact_names(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for (name, nth) in hostile().into_iter().zip(1..) {
            assert_eq!(position(&db, &name, &name).await, 0);
            assert!(advance(&db, &name, &name, 0, nth).await);
            assert_eq!(db.job_last_run(name.clone()).await.unwrap(), None);
            db.record_job_run(name, nth).await.unwrap();
        }
        for (name, nth) in hostile().into_iter().zip(1..) {
            assert_eq!(position(&db, &name, &name).await, nth);
            assert_eq!(db.job_last_run(name).await.unwrap(), Some(nth));
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_job_ran_when_it_was_last_recorded(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for now in [NOW, NOW + 1, NOW - 1, -1, i64::MAX] {
            db.record_job_run("retention".to_owned(), now).await.unwrap();
            assert_eq!(db.job_last_run("retention".to_owned()).await.unwrap(), Some(now));
        }
    });
}

/// Applies the next event, unless somebody else did: whether it was applied here.
async fn apply_next(db: &Db) -> Result<bool, DbError> {
    use futures_util::FutureExt as _;
    use underpin_models::bot::ChannelStatsRepository as _;

    db.transaction(|conn| {
        async move {
            let from = conn.event_position("BOT".to_owned(), "1".to_owned()).await?;
            // What the event does comes before the step, as in a service that applies events.
            conn.update_high_water_mark(from + 1, None, NOW).await?;
            tokio::task::yield_now().await;
            conn.advance_event_position("BOT".to_owned(), "1".to_owned(), from, from + 1).await
        }
        .boxed()
    })
    .await
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_event_is_applied_by_one_of_two(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let worker = || {
            let db = db.clone();
            tokio::spawn(async move {
                let mut applied = 0;
                for _ in 0..100 {
                    applied += i64::from(apply_next(&db).await.unwrap());
                }
                applied
            })
        };
        let (one, two) = (worker(), worker());
        let applied = one.await.unwrap() + two.await.unwrap();

        assert_eq!(position(&db, "BOT", "1").await, applied);
        assert!((100..=200).contains(&applied), "{applied}");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn asking_where_a_stream_is_never_moves_it_back(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for round in 0..50 {
            let stream = format!("S{round}");
            let ask = |db: Db, stream: String| async move {
                let at = position(&db, &stream, "1").await;
                (at, advance(&db, &stream, "1", at, at + 1).await)
            };
            let one = tokio::spawn(ask(db.clone(), stream.clone()));
            let two = tokio::spawn(ask(db.clone(), stream.clone()));
            let (one, two) = (one.await.unwrap(), two.await.unwrap());

            let moved = i64::from(one.1) + i64::from(two.1);
            assert_eq!(position(&db, &stream, "1").await, moved, "{one:?} {two:?}");
        }
    });
}
