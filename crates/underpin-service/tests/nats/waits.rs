//! Whatever a database says besides what an event says itself: events wait, loudly, and none is lost.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

use rstest::rstest;
use serde_json::Value;
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, block_on};

use crate::{
    chat,
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

/// A cause that passes: what brings it about, what ends it, and the code that is told.
struct Cause {
    name: &'static str,
    begin: String,
    end: String,
    code: &'static str,
}

fn cause(name: &'static str, begin: &str, end: &str, code: &'static str) -> Cause {
    Cause { name, begin: begin.to_owned(), end: end.to_owned(), code }
}

/// A trigger raises what cannot be had at will.
fn raised(name: &'static str, code: &'static str) -> Cause {
    Cause {
        name,
        begin: format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'hunter2' USING ERRCODE = '{code}'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON recent_chat FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
        end: "DROP TRIGGER refuse ON recent_chat; DROP FUNCTION refuse()".to_owned(),
        code,
    }
}

fn raised_by_sqlite(name: &'static str, action: &str) -> Cause {
    Cause {
        name,
        begin: format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON recent_chat \
             BEGIN SELECT RAISE({action}, 'hunter2'); END"
        ),
        end: "DROP TRIGGER refuse".to_owned(),
        code: "SQLite 1811",
    }
}

fn causes(dialect: Dialect, role: &str) -> Vec<Cause> {
    let away = "ALTER TABLE recent_chat RENAME TO elsewhere";
    let back = "ALTER TABLE elsewhere RENAME TO recent_chat";
    let without = "ALTER TABLE user_stats RENAME COLUMN total_chat_lines TO elsewhere";
    let with = "ALTER TABLE user_stats RENAME COLUMN elsewhere TO total_chat_lines";
    match dialect {
        Dialect::Sqlite => vec![
            cause("a table that is away", away, back, ""),
            cause("a column that is away", without, with, ""),
            cause("a lock that another holds", "BEGIN IMMEDIATE", "ROLLBACK", "SQLite 5"),
            raised_by_sqlite("what a trigger thinks", "ABORT"),
            raised_by_sqlite("a trigger that fails", "FAIL"),
            raised_by_sqlite("a trigger that rolls back", "ROLLBACK"),
        ],
        Dialect::Postgres => vec![
            cause("a table that is away", away, back, "42P01"),
            cause("a column that is away", without, with, "42703"),
            cause(
                "a lock that another holds",
                "BEGIN; LOCK TABLE user_stats IN ACCESS EXCLUSIVE MODE",
                "ROLLBACK",
                "55P03",
            ),
            cause(
                "a right that is missing",
                &format!("REVOKE INSERT ON recent_chat FROM {role}"),
                &format!("GRANT INSERT ON recent_chat TO {role}"),
                "42501",
            ),
            raised("a server that may only be read", "25006"),
            raised("serialization", "40001"),
            raised("a deadlock", "40P01"),
            raised("a full disk", "53100"),
            raised("no memory", "53200"),
            raised("a command of the administrator", "57014"),
            raised("what a trigger thinks", "P0001"),
            raised("a broken index", "XX002"),
        ],
    }
}

/// The database has what `cause` brings about while `work` is done.
fn during(stage: &Stage, cause: &Cause, work: impl FnOnce()) {
    let (begun, has_begun) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            block_on(async move || {
                let url = stage.db.database_url();
                let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
                conn.batch(&cause.begin).await.unwrap();
                begun.send(()).unwrap();
                is_done.recv().unwrap();
                conn.batch(&cause.end).await.unwrap();
            });
        });
        has_begun.recv().unwrap();
        work();
        done.send(()).unwrap();
    });
}

/// What `/ready` answers.
fn ready(replica: &Replica) -> (u16, Value) {
    let log = replica.log();
    let address =
        log.split("listening on http://").nth(1).unwrap().split([' ', '"']).next().unwrap();
    let address = address.trim_end_matches(':');
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// The service as a role of its own, which owns nothing and has patience for half a second.
fn as_role(stage: Stage, role: &str) -> Stage {
    let mut replica = stage.replica();
    assert_eq!(replica.stop(), Some(0));
    stage.db.batch(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; ALTER ROLE {role} SET lock_timeout = '500ms'; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
    ));
    let (_, place) = stage.db.url().split_once('@').unwrap();
    let url = format!("postgres://{role}:pw@{place}");
    stage.with("DATABASE_URL", &url)
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn events_wait_for_every_cause_that_passes(#[case] dialect: Dialect, #[case] mode: Mode) {
    let mut stage = Stage::new(dialect, mode);
    let role = format!("writer_{}_{mode:?}", std::process::id()).to_lowercase();
    if dialect == Dialect::Postgres {
        stage = as_role(stage, &role);
    }
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let mut last = 0;
    for cause in causes(dialect, &role) {
        during(&stage, &cause, || {
            chat::say(&bus, last + 1..=last + 3);
            eventually(cause.name, || {
                let (status, body) = ready(&replica);
                status == 503
                    && body["reason"] == "events_wait"
                    && body["code"].as_str().unwrap_or_default() == cause.code
            });
            // Longer than three attempts.
            std::thread::sleep(Duration::from_millis(800));
        });
        last += 3;
        eventually(cause.name, || chat::kept(&stage) == last);
        eventually(cause.name, || ready(&replica).0 == 200);
    }
    chat::assert_all(&stage, last);
    chat::assert_in_order(&stage, last);
    assert_eq!(stage.count("SELECT count(*) FROM dead_letters"), 0);
    assert_eq!(replica.stop(), Some(0));
    replica.assert_silent("ERROR");
    if dialect == Dialect::Postgres {
        stage.db.batch(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    }
}
