//! Units of work: together or not at all, whatever becomes of the caller.

use std::time::Duration;

use futures_util::FutureExt as _;
use rstest::rstest;
use tokio::sync::oneshot;
use underpin_db::{Db, DbError, Dialect, PoolOptions, Rows};
use underpin_models::bot::{
    ChannelStatsRepository as _, RecentChatRepository as _, UserStatsRepository as _,
};

use crate::{Bot, NOW, on_head};

/// An error that no database gave.
fn own_error() -> DbError {
    DbError { message: "enough".to_owned(), ..DbError::default() }
}

async fn users(db: &Db) -> i64 {
    db.total_users_seen().await.unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_transaction_keeps_everything_and_sees_what_it_wrote(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let work = db.transaction(|conn| {
            async move {
                conn.user_joined("zoe".to_owned(), NOW).await?;
                conn.user_chat_message("zoe".to_owned(), "hi".to_owned(), NOW).await?;
                conn.user_stats("zoe".to_owned()).await
            }
            .boxed()
        });

        assert_eq!(work.await.unwrap().unwrap().total_chat_lines, 1);
        assert_eq!(users(&db).await, 1);
        assert_eq!(db.recent_chat(None, 10).await.unwrap().len(), 1);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_error_takes_everything_back(#[case] dialect: Dialect) {
    on_head(dialect, async |bot| {
        bot.refuse_boom();
        let db = &bot.db;
        for message in ["boom", "fine"] {
            let work = db.transaction(move |conn| {
                async move {
                    conn.user_joined("zoe".to_owned(), NOW).await?;
                    conn.user_chat_message("zoe".to_owned(), "hi".to_owned(), NOW).await?;
                    conn.log_chat("zoe".to_owned(), message.to_owned(), NOW).await?;
                    Err::<(), _>(own_error())
                }
                .boxed()
            });

            let error = work.await.unwrap_err();
            assert_eq!(error == own_error(), message == "fine", "{error}");
            assert_eq!(users(db).await, 0);
            assert_eq!(db.recent_chat(None, 10).await.unwrap(), []);
        }

        db.user_joined("zoe".to_owned(), NOW).await.unwrap();
        assert_eq!(users(db).await, 1);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_error_that_is_passed_over_loses_nothing_in_silence(#[case] dialect: Dialect) {
    on_head(dialect, async |bot| {
        bot.refuse_boom();
        let done = bot.db.transaction(|conn| {
            async move {
                conn.user_joined("zoe".to_owned(), NOW).await?;
                conn.log_chat("zoe".to_owned(), "boom".to_owned(), NOW).await.unwrap_err();
                Ok(())
            }
            .boxed()
        });

        let done = done.await;

        assert_eq!(done.is_ok(), users(&bot.db).await == 1, "{done:?}");
        bot.db.user_joined("kim".to_owned(), NOW).await.unwrap();
        assert!(bot.db.user_stats("kim".to_owned()).await.unwrap().is_some());
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_panic_reaches_the_caller_and_leaves_the_pool_usable(#[case] dialect: Dialect) {
    #[derive(Clone, Copy)]
    enum Mode {
        Read(Rows),
        Write,
        Transaction,
    }
    on_head(dialect, async |Bot { db, .. }| {
        let modes = [
            (Mode::Read(Rows::Few), 0),
            (Mode::Read(Rows::Many), 0),
            (Mode::Write, 1),
            (Mode::Transaction, 1),
        ];
        for (mode, kept) in modes {
            // Oftener than there are connections.
            for _ in 0..12 {
                let caller = db.clone();
                let caller = tokio::spawn(async move {
                    let db = &caller;
                    match mode {
                        Mode::Read(rows) => {
                            db.read(rows, |_| async { panic!("on purpose") }.boxed()).await
                        }
                        Mode::Write => {
                            let work = db.write(|conn| {
                                async move {
                                    conn.user_joined("written".to_owned(), NOW).await?;
                                    panic!("on purpose")
                                }
                                .boxed()
                            });
                            work.await
                        }
                        Mode::Transaction => {
                            let work = db.transaction(|conn| {
                                async move {
                                    conn.user_joined("taken back".to_owned(), NOW).await?;
                                    panic!("on purpose")
                                }
                                .boxed()
                            });
                            work.await
                        }
                    }
                    .map(|(): ()| ())
                });
                let panic = caller.await.unwrap_err().into_panic();
                assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
            }
            assert_eq!(users(&db).await, kept);
            db.log_chat("zoe".to_owned(), "still there".to_owned(), NOW).await.unwrap();
            db.user_chat_message("zoe".to_owned(), "and there".to_owned(), NOW).await.unwrap();
        }
        assert_eq!(db.recent_chat(None, 10).await.unwrap().len(), 8);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn work_whose_caller_is_gone_comes_to_its_end(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let (wrote, written) = oneshot::channel();
        let (go, may_go) = oneshot::channel::<()>();
        let caller = db.clone();
        let caller = tokio::spawn(async move {
            let work = caller.transaction(move |conn| {
                async move {
                    conn.user_joined("one".to_owned(), NOW).await?;
                    wrote.send(()).unwrap();
                    may_go.await.map_err(|_| own_error())?;
                    conn.user_joined("two".to_owned(), NOW).await
                }
                .boxed()
            });
            work.await
        });
        written.await.unwrap();

        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        // Comes after it: SQLite has one writer, and on PostgreSQL the row is locked.
        db.user_joined("one".to_owned(), NOW + 9).await.unwrap();

        assert_eq!(users(&db).await, 2);
        let one = db.user_stats("one".to_owned()).await.unwrap().unwrap();
        assert_eq!(one.first_seen, NOW);
    });
}

#[test]
fn on_sqlite_a_read_cannot_write() {
    on_head(Dialect::Sqlite, async |Bot { db, .. }| {
        for rows in [Rows::Few, Rows::Many] {
            let work = db.read(rows, |conn| conn.user_joined("zoe".to_owned(), NOW).boxed());

            let error = work.await.unwrap_err();
            assert!(error.message.contains("readonly"), "{error}");
            assert_eq!(users(&db).await, 0);
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nobody_sees_half_a_transaction_and_reading_does_not_wait(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let (wrote, written) = oneshot::channel();
        let (go, may_go) = oneshot::channel::<()>();
        let writer = db.clone();
        let writer = tokio::spawn(async move {
            let work = writer.transaction(move |conn| {
                async move {
                    conn.user_joined("zoe".to_owned(), NOW).await?;
                    wrote.send(()).unwrap();
                    may_go.await.map_err(|_| own_error())?;
                    conn.user_joined("kim".to_owned(), NOW).await
                }
                .boxed()
            });
            work.await
        });
        written.await.unwrap();

        assert_eq!(users(&db).await, 0);
        go.send(()).unwrap();
        writer.await.unwrap().unwrap();
        assert_eq!(users(&db).await, 2);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_at_once_lose_nothing(#[case] dialect: Dialect) {
    const ROUNDS: i64 = 200;
    on_head(dialect, async |Bot { db, .. }| {
        db.user_joined("both".to_owned(), NOW).await.unwrap();
        let worker = |me: i64| {
            let db = db.clone();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let now = NOW + round;
                    db.user_joined(format!("user {round}"), now).await.unwrap();
                    db.user_chat_message("both".to_owned(), format!("{me}"), now).await.unwrap();
                    let users = 2 * round + me;
                    db.update_high_water_mark(users, Some(users + 5), now).await.unwrap();
                }
            })
        };
        let (one, two) = (worker(0), worker(1));
        one.await.unwrap();
        two.await.unwrap();

        assert_eq!(users(&db).await, ROUNDS + 1);
        let both = db.user_stats("both".to_owned()).await.unwrap().unwrap();
        assert_eq!(both.total_chat_lines, 2 * ROUNDS);
        let lines = db.recent_chat(None, i64::MAX).await.unwrap();
        for me in ["0", "1"] {
            let mine: Vec<i64> =
                lines.iter().filter(|line| line.message == me).map(|line| line.timestamp).collect();
            assert!(mine.into_iter().eq(NOW..NOW + ROUNDS), "in order, each once");
        }
        let marks = db.high_water_marks().await.unwrap().unwrap();
        assert_eq!((marks.max_users, marks.max_connected), (2 * ROUNDS - 1, 2 * ROUNDS + 4));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn work_that_asks_for_a_second_connection_fails_instead_of_waiting_for_ever(
    #[case] dialect: Dialect,
) {
    on_head(dialect, async |Bot { on, .. }| {
        let options =
            PoolOptions { size: 1, wait: Duration::from_millis(200), ..PoolOptions::default() };
        let db = Db::connect(&on.database_url(), &options).await.unwrap();
        let inner = db.clone();
        let work = db.transaction(move |conn| {
            async move {
                conn.user_joined("zoe".to_owned(), NOW).await?;
                inner.user_joined("kim".to_owned(), NOW).await
            }
            .boxed()
        });

        let error = work.await.unwrap_err();
        assert!(error.message.starts_with("no connection to the database"), "{error}");
        assert_eq!(users(&db).await, 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn transactions_of_two_processes_wait_for_each_other(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let other = Db::connect(&on.database_url(), &PoolOptions::default()).await.unwrap();
        let worker = |db: Db, name: &'static str| {
            tokio::spawn(async move {
                for now in NOW..NOW + 50 {
                    // What read first and then has to wait for its turn to write would fail on SQLite.
                    let work = db.transaction(move |conn| {
                        async move {
                            conn.total_users_seen().await?;
                            conn.user_joined(name.to_owned(), now).await?;
                            conn.count_chat_line(name.to_owned(), now).await
                        }
                        .boxed()
                    });
                    work.await.unwrap();
                }
            })
        };
        let (one, two) = (worker(db.clone(), "one"), worker(other, "two"));
        one.await.unwrap();
        two.await.unwrap();

        for name in ["one", "two"] {
            let user = db.user_stats(name.to_owned()).await.unwrap().unwrap();
            assert_eq!(user.total_chat_lines, 50);
        }
    });
}
