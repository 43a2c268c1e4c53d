//! Calls of the repositories, as the service makes them, against the plain drivers doing the same
//! statements, prepared once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use underpin_db::Db;
use underpin_models::bot::ApiTokenRepository as _;
use underpin_testkit::Dialect;

use crate::{
    database::{self, NOW, Watch},
    report,
};

mod ours;
mod postgres;
mod sqlite;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// `log_chat`: one row more.
    Insert,
    /// `user_stats`: one row by its key.
    Select,
    /// `recent_chat`: the newest twenty rows.
    Newest,
    /// `validate_api_token`: one row changed.
    Update,
    /// Ten times `user_chat_message` in one transaction: each an update and an insert.
    Transaction,
}

impl Call {
    const ALL: [Self; 5] =
        [Self::Insert, Self::Select, Self::Newest, Self::Update, Self::Transaction];

    fn what(self) -> &'static str {
        match self {
            Self::Insert => "insert a line (`log_chat`)",
            Self::Select => "select a user (`user_stats`)",
            Self::Newest => "select 20 lines (`recent_chat`)",
            Self::Update => "update a token (`validate_api_token`)",
            Self::Transaction => "transaction of 10 lines (`user_chat_message`)",
        }
    }

    fn aim(self) -> f64 {
        if self == Self::Transaction { 0.8 } else { 0.5 }
    }

    /// Lines that one call keeps.
    fn keeps(self) -> usize {
        match self {
            Self::Insert => 1,
            Self::Transaction => TEN,
            Self::Select | Self::Newest | Self::Update => 0,
        }
    }

    /// Calls of one turn: a fifth of a second, more or less.
    fn calls(self, dialect: Dialect) -> usize {
        match (dialect, self) {
            (Dialect::Sqlite, Self::Select) => 10_000,
            (Dialect::Sqlite, Self::Newest | Self::Insert | Self::Update) => 5_000,
            (Dialect::Sqlite, Self::Transaction)
            | (Dialect::Postgres, Self::Select | Self::Newest) => 1_000,
            (Dialect::Postgres, Self::Insert | Self::Update) => 300,
            (Dialect::Postgres, Self::Transaction) => 60,
        }
    }
}

/// Lines of a transaction.
const TEN: usize = 10;
/// Rows of a query for the newest.
const NEWEST: i64 = 20;

/// What a turn took.
struct Cost {
    elapsed: Duration,
    cpu_millis: f64,
}

/// The turns of a side.
#[derive(Default)]
struct Turns {
    /// Calls per second of each.
    speeds: Vec<f64>,
    /// CPU time of all, in milliseconds.
    cpu_millis: f64,
}

/// Who makes the calls.
#[derive(Clone)]
enum Side {
    Ours(Db),
    /// The driver, on a thread of its own.
    Rusqlite(sqlite::Shared),
    /// The driver, each call on a thread that may block, as an asynchronous program must.
    RusqliteHops(sqlite::Shared),
    TokioPostgres(postgres::Client),
}

impl Side {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Rusqlite(_) => "rusqlite",
            Self::RusqliteHops(_) => "rusqlite in `spawn_blocking`",
            Self::TokioPostgres(_) => "tokio-postgres",
        }
    }

    /// Makes `count` calls, one after the other, in a task, as the service does.
    async fn turn(&self, call: Call, count: usize, token: &str) -> anyhow::Result<Cost> {
        let (side, token) = (self.clone(), token.to_owned());
        let task = tokio::spawn(async move {
            let (start, cpu) = (Instant::now(), report::cpu_millis());
            match side {
                Self::Ours(db) => ours::turn(&db, call, count, &token).await?,
                Self::Rusqlite(conn) => {
                    let work = move || sqlite::turn(&conn, call, count);
                    tokio::task::spawn_blocking(work).await??;
                }
                Self::RusqliteHops(conn) => sqlite::hops(&conn, call, count).await?,
                Self::TokioPostgres(client) => postgres::turn(&client, call, count).await?,
            }
            let elapsed = start.elapsed();
            anyhow::Ok(Cost { elapsed, cpu_millis: report::cpu_millis() - cpu })
        });
        task.await?
    }
}

pub(crate) async fn run(dialect: Dialect, rounds: usize) -> anyhow::Result<()> {
    let (test_db, db, about) = database::prepare(dialect).await?;
    let token = db.generate_api_token("bench".to_owned(), NOW).await?;
    let mut sides = vec![Side::Ours(db)];
    match dialect {
        Dialect::Sqlite => {
            let conn = sqlite::open(&test_db.file())?;
            sides.extend([Side::Rusqlite(conn.clone()), Side::RusqliteHops(conn)]);
        }
        Dialect::Postgres => {
            sides.push(Side::TokioPostgres(postgres::connect(test_db.url()).await?));
        }
    }
    report::paragraph(format!("Repository calls; {about}; {rounds} rounds"))?;
    let columns = ["what", "against", "ours /s", "theirs /s", "ratio", "quartiles", "aim", "load"];
    report::head(&columns, 2)?;
    let mut watch = Watch::open(&test_db).await?;
    for call in Call::ALL {
        let turns = compare(&sides, call, rounds, dialect, &token, &mut watch).await?;
        let (ours, others) = turns.split_first().context("there is a side")?;
        for (side, theirs) in sides.iter().skip(1).zip(others) {
            let (ratio, quartiles) = report::ratio(&ours.speeds, &theirs.speeds);
            let missed = if ratio < call.aim() { ", missed" } else { "" };
            report::row(&[
                call.what().to_owned(),
                side.name().to_owned(),
                format!("{:.0}", report::median(&ours.speeds)),
                format!("{:.0}", report::median(&theirs.speeds)),
                format!("**{ratio:.2}**"),
                quartiles,
                format!("{}{missed}", call.aim()),
                format!("{:.2}", ours.cpu_millis / theirs.cpu_millis),
                report::load(),
            ])?;
        }
    }
    Ok(())
}

/// Both sides in turns; the first round warms up.
async fn compare(
    sides: &[Side],
    call: Call,
    rounds: usize,
    dialect: Dialect,
    token: &str,
    watch: &mut Watch,
) -> anyhow::Result<Vec<Turns>> {
    let count = call.calls(dialect);
    let mut turns: Vec<_> = sides.iter().map(|_| Turns::default()).collect();
    for round in 0..=rounds {
        for turn in 0..sides.len() {
            let at = (turn + round) % sides.len();
            let before = watch.kept().await?;
            let cost = sides[at].turn(call, count, token).await?;
            let (kept, wanted) = (watch.kept().await? - before, count * call.keeps());
            ensure!(kept == wanted, "{}: expected {wanted} lines, found {kept}", sides[at].name());
            if round > 0 {
                turns[at].speeds.push(report::per_second(count, cost.elapsed));
                turns[at].cpu_millis += cost.cpu_millis;
            }
        }
    }
    Ok(turns)
}
