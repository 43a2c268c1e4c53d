//! How far the events of a stream are, and when jobs last ran.

use std::time::Duration;

use futures_util::FutureExt as _;
use rstest::rstest;
use tokio::sync::oneshot;
use underpin_db::{Db, DbError, Dialect};
use underpin_models::bot::{
    ChannelStatsRepository as _, EventPositionRepository as _, JobRunRepository as _,
};

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
        // Who asks second waits for the first, so that nobody's work is for nothing.
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (100, 100));
        assert_eq!(position(&db, "BOT", "1").await, 200);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn who_asks_while_another_moves_a_stream_learns_where_to(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let (asked, other_may_ask) = oneshot::channel();
        let (go, may_go) = oneshot::channel::<()>();
        let first = db.clone();
        let first = tokio::spawn(async move {
            let work = first.transaction(|conn| {
                async move {
                    let from = conn.event_position("BOT".to_owned(), "1".to_owned()).await?;
                    asked.send(()).unwrap();
                    may_go.await.unwrap();
                    conn.advance_event_position("BOT".to_owned(), "1".to_owned(), from, 7).await
                }
                .boxed()
            });
            work.await
        });
        other_may_ask.await.unwrap();
        let second = db.clone();
        let second = tokio::spawn(async move { position(&second, "BOT", "1").await });
        // Time for the second to reach the database, where it waits for the first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        go.send(()).unwrap();

        assert!(first.await.unwrap().unwrap());
        assert_eq!(second.await.unwrap(), 7);
        assert_eq!(position(&db, "BOT", "1").await, 7);
    });
}
