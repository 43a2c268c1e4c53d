//! The program itself: how it starts, what it answers, how it ends.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::{Dialect, TestDb};

const HEAD: &str = "20261127120000";

/// The service on `db`, without anything that the tests' own environment says.
fn service(db: &TestDb) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_underpin-service"));
    command.env_clear().current_dir(db.dir());
    command.env("DATABASE_URL", db.url()).env("HTTP_ADDR", "127.0.0.1:0");
    command
}

/// A service that listens.
struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
    address: String,
    /// What it said before it listened.
    start: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut start = String::new();
        while !start.contains("listening on http://") {
            assert!(output.read_line(&mut start).unwrap() > 0, "it ended: {start}");
        }
        let address = start.rsplit_once("http://").unwrap().1;
        let address = address.split([':', ' ']).take(2).collect::<Vec<_>>().join(":");
        Self { process, output, address, start }
    }

    /// The status code and the body.
    fn get(&self, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The exit code and what it said at the end.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap().code(), rest)
    }
}

/// Starts the service once, and ends it.
fn bring_up_to_date(db: &TestDb) {
    let mut command = service(db);
    command.arg("--migrate");
    let running = Running::start(command);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn production_migrates_then_serves(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut command = service(&db);
    command.env("ENV", "production");

    let running = Running::start(command);

    assert!(running.start.contains("applied 20261121090000 create_bot_schema in "));
    let health = json!({
        "status": "healthy",
        "reason": null,
        "version": env!("CARGO_PKG_VERSION"),
        "database_reachable": true,
        "applied_head": HEAD,
        "pending": 0,
        "problems": [],
        "services": {
            "api": "up", "database": "up", "events": "up", "websocket": "up",
        },
        "features": {
            "projects": true, "tasks": true, "change_requests": true, "approvals": true,
            "artifacts": true, "runs": true, "events": true,
        },
    });
    assert_eq!(running.get("/health"), (200, health));
    assert_eq!(running.get("/ready"), (200, json!({ "ready": true })));
    running.signal("TERM");
    let (code, rest) = running.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("SIGTERM: finishing what is in flight"), "{rest}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn development_refuses_a_schema_that_is_behind(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);

    let output = service(&db).output().unwrap();

    assert_eq!(output.status.code(), Some(3));
    let text = text(&output);
    assert!(text.contains("migrations are skipped in development: run them with `--migrate`"));
    assert!(text.contains("the schema is behind by 6 of 6 migrations"), "{text}");
    assert!(dialect == Dialect::Sqlite || db.tables().is_empty());
    assert!(dialect == Dialect::Postgres || !db.dir().join("test.db").exists());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn development_serves_what_is_up_to_date_and_says_that_it_skipped(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut first = service(&db);
    let first = Running::start({
        first.arg("--migrate");
        first
    });
    first.signal("INT");
    assert_eq!(first.end().0, Some(0));
    let mut command = service(&db);
    command.env("LOG_LEVEL", "error,underpin_service=info");

    let running = Running::start(command);

    assert!(running.start.contains("migrations are skipped in development"), "{}", running.start);
    assert_eq!(running.get("/health").0, 200);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_happens_to_the_schema_is_logged_at_every_level(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut command = service(&db);
    command.args(["--migrate"]).env("LOG_LEVEL", "error,underpin_service=info");
    command.env("LOG_FORMAT", "json");

    let running = Running::start(command);

    let lines = running.start.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let applied: Vec<_> = lines.filter(|line| line["fields"]["outcome"] == "applied").collect();
    // The bot's and the registry's.
    assert_eq!(applied.len(), 6 + 2, "{}", running.start);
    assert_eq!(applied[5]["fields"]["version"], HEAD);
    assert!(applied[5]["fields"]["elapsed_ms"].is_u64());
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_database_that_is_none_of_ours_is_left_alone(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE user_stats (username TEXT, something_else TEXT)");
    let mut command = service(&db);

    let output = command.env("ENV", "production").output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(!text(&output).contains("listening"));
    assert_eq!(db.tables(), ["user_stats"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_migration_that_fails_ends_the_start_and_changes_nothing(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    bring_up_to_date(&db);
    // Take the last version back by hand, so that it is pending and meets what it would create.
    let version = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{HEAD}'");
    db.batch(&version);
    let before = (db.tables(), db.dump());
    let mut command = service(&db);

    let output = command.env("ENV", "production").output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let text = text(&output);
    assert!(text.contains(&format!("migration {HEAD} add_dead_letters failed")), "{text}");
    assert!(text.contains("it was rolled back and left nothing"), "{text}");
    assert!(!text.contains("listening"), "{text}");
    assert_eq!((db.tables(), db.dump()), before);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn health_tells_when_the_schema_falls_behind(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut command = service(&db);
    command.arg("--migrate");
    let running = Running::start(command);
    db.batch(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{HEAD}'"));

    let (code, health) = running.get("/health");

    assert_eq!(running.get("/ready"), (503, json!({ "ready": false, "reason": "schema_behind" })));
    assert_eq!(
        (code, &health["status"], &health["reason"], &health["pending"]),
        (503, &json!("degraded"), &json!("schema_behind"), &json!(1))
    );
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn health_and_ready_tell_when_the_database_is_gone() {
    let db = TestDb::new(Dialect::Postgres);
    let mut command = service(&db);
    command.arg("--migrate").env("DB_POOL_WAIT_SECONDS", "1");
    let running = Running::start(command);
    drop(db);

    let (code, health) = running.get("/health");

    assert_eq!(
        (code, &health["status"], &health["reason"]),
        (503, &json!("degraded"), &json!("database_unreachable"))
    );
    assert_eq!(health["services"]["database"], "error: database_unreachable");
    assert_eq!(running.get("/ready").0, 503);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn replicas_that_start_at_once_migrate_once(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let start = || {
        let mut command = service(&db);
        command.env("ENV", "production").stdout(Stdio::piped()).spawn().unwrap()
    };

    let replicas: Vec<_> = (0..3).map(|_| start()).collect();

    let applied = replicas.into_iter().map(|mut process| {
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut start = String::new();
        while !start.contains("listening on http://") {
            assert!(output.read_line(&mut start).unwrap() > 0, "it ended: {start}");
        }
        process.kill().unwrap();
        process.wait().unwrap();
        start.matches("outcome=\"applied\"").count()
    });
    assert_eq!(applied.sum::<usize>(), 6 + 2);
}

#[test]
fn a_password_is_shown_nowhere() {
    let db = TestDb::new(Dialect::Sqlite);
    let mut command = service(&db);
    command
        .env("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/x")
        .env("DATABASE_WAIT_SECONDS", "0");

    let output = command.env("LOG_LEVEL", "trace").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.contains("cannot reach PostgreSQL at me@127.0.0.1:1/x"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn every_mistake_in_the_configuration_is_told_at_once() {
    let db = TestDb::new(Dialect::Sqlite);
    let mut command = service(&db);
    command.env("HTTP_ADDR", "here").env("ENV", "staging");

    let output = command.output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(text.contains("`ENV`: expected `development` or `production`, found `staging`"));
    assert!(text.contains("`HTTP_ADDR`: expected an address with a port"), "{text}");
}

/// Told to stop while another runner migrates: as the first process of a container it must hear it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_start_that_waits_says_for_whom_and_stops_when_it_is_told(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    std::thread::scope(|scope| {
        let lock = db.dir().join("test.db.underpin.lock");
        let held = std::fs::File::create(lock).unwrap();
        match dialect {
            Dialect::Sqlite => held.lock().unwrap(),
            Dialect::Postgres => drop(scope.spawn(|| {
                db.batch(
                    "SELECT pg_advisory_lock(hashtextextended(current_database() || \
                     'underpin:public', 0)); SELECT pg_sleep(3)",
                );
            })),
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut command = service(&db);
        let mut process = command.arg("--migrate").stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("waiting up to 60 s for the migration lock, held by ") {
            assert!(output.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        let status = Command::new("kill").arg(process.id().to_string()).status();
        assert!(status.unwrap().success());

        output.read_to_string(&mut said).unwrap();

        assert_eq!(process.wait().unwrap().code(), Some(0), "{said}");
        assert!(said.contains("SIGTERM before the service was up: stopped"), "{said}");
    });
    assert!(dialect == Dialect::Sqlite || db.tables().is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_older_release_starts_on_a_newer_schema_only_when_it_may(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    bring_up_to_date(&db);
    db.batch("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')");

    for environment in ["production", "development"] {
        let mut refused = service(&db);
        let refused = refused.env("ENV", environment).output().unwrap();
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));

        let mut command = service(&db);
        command.env("ENV", environment).env("MIGRATION_ALLOW_MISSING", "true");
        let running = Running::start(command);
        let (code, health) = running.get("/health");
        // Both sets find it in the history that they share; it is told once.
        assert_eq!((code, health["problems"].as_array().unwrap().len()), (200, 1));
        running.signal("TERM");
        assert_eq!(running.end().0, Some(0));
    }
}

/// A pipe that nothing reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_serves_when_nothing_reads_its_log(#[case] dialect: Dialect) {
    type Ends = fn(&mut Command);
    let ways: [Ends; 3] = [
        |command| {
            command.stdout(closed());
        },
        |command| {
            command.stderr(closed());
        },
        |command| {
            command.stdout(closed()).stderr(closed());
        },
    ];
    for format in ["text", "json"] {
        for (number, ends) in ways.into_iter().enumerate() {
            let db = TestDb::new(dialect);
            let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = service(&db);
            command.arg("--migrate").env("HTTP_ADDR", address.to_string());
            command.env("LOG_LEVEL", "trace").env("LOG_FORMAT", format);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            ends(&mut command);

            let mut process = command.spawn().unwrap();

            let begun = std::time::Instant::now();
            while TcpStream::connect(address).is_err() {
                assert_eq!(process.try_wait().unwrap(), None, "{format}, way {number}");
                assert!(begun.elapsed().as_secs() < 60, "{format}, way {number}: it never listens");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            let pid = process.id().to_string();
            assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
            assert_eq!(process.wait().unwrap().code(), Some(0), "{format}, way {number}");
        }
    }
}

/// A file in the working directory would be served as if it were the data.
#[test]
fn production_without_a_database_is_refused_and_the_misspelt_key_is_told() {
    let db = TestDb::new(Dialect::Sqlite);
    let mut command = service(&db);
    command.env_remove("DATABASE_URL").env("ENV", "production");
    std::fs::write(db.dir().join(".env"), "DATABSE_URL=postgres://me:hunter2@h/x\n").unwrap();

    let output = command.output().unwrap();

    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`DATABASE_URL`: expected the database of production, found nothing"));
    assert!(text.contains("the file has `DATABSE_URL`, which is no key: is it `DATABASE_URL`?"));
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!db.dir().join("data").exists());
}

#[test]
fn keys_that_nothing_reads_are_told_at_the_start() {
    let db = TestDb::new(Dialect::Sqlite);
    std::fs::write(db.dir().join(".env"), "LOG_LEVL=debug\nCOLOUR=blue\n").unwrap();
    let mut command = service(&db);
    command.arg("--migrate").env("SECRET_OF_OTHERS", "x");

    let running = Running::start(command);

    for line in [
        "the file has `LOG_LEVL`, which is no key: is it `LOG_LEVEL`?",
        "the file has `COLOUR`, which is no key: nothing reads it",
    ] {
        assert!(running.start.contains(line), "{}", running.start);
    }
    assert!(!running.start.contains("SECRET_OF_OTHERS"), "{}", running.start);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}
