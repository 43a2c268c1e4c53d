//! Runs that are stopped, and two at once.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::Value;
use underpin_testkit::{Dialect, TestDb};

use super::{fleet, json, targets};
use crate::{said, write_migration};

/// So many targets, each of which takes a while.
fn slow(dialect: Dialect, count: usize, seconds: f64) -> TestDb {
    let db = targets(dialect, count);
    let up = match dialect {
        // About a second for every ten million.
        Dialect::Sqlite => format!(
            "CREATE TABLE t (id BIGINT);\nINSERT INTO t WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL \
             SELECT n + 1 FROM c WHERE n < {}) SELECT count(*) FROM c;",
            10_000_000.0 * seconds
        ),
        Dialect::Postgres => {
            format!("CREATE TABLE t (id BIGINT);\nSELECT pg_sleep({seconds});")
        }
    };
    write_migration(&db.dir().join("migrations"), "0001_work", &up, "DROP TABLE t;");
    db
}

/// A run that is at work.
struct AtWork {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
}

impl AtWork {
    /// Starts it, and waits until it works on targets.
    fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut run = Self { child, lines };
        run.wait_for("wave 1");
        thread::sleep(Duration::from_millis(150));
        run
    }

    fn wait_for(&mut self, start: &str) {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "ended before `{start}`");
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Its exit status, standard output, and the rest of standard error.
    fn end(mut self) -> (ExitStatus, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.lines.read_to_string(&mut err).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap(), out, err)
    }
}

#[rstest]
fn the_first_signal_finishes_what_is_in_flight(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("-INT", "-TERM")] signal: &str,
) {
    let db = slow(dialect, 8, 0.3);
    let run = AtWork::start(fleet(&db, &["upgrade", "--json", "--jobs", "2"]));

    run.signal(signal);
    let (status, out, err) = run.end();

    assert_eq!(status.code(), Some(1), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["outcome"], "stopped");
    let count = |state: &str| report["counts"][state].as_i64().unwrap();
    assert_eq!((count("running"), count("failed")), (0, 0), "{report:#}");
    assert!(count("done") > 0 && count("waiting") > 0, "{report:#}");
    assert!(err.contains("a second signal stops at once"), "{err}");
    let next = err.lines().last().unwrap();
    let flags = super::source(dialect);
    assert!(next.starts_with("next: underpin fleet resume ") && next.contains(flags[0]), "{next}");

    let resumed = json(fleet(&db, &["resume"]), 0);
    assert_eq!((&resumed["number"], &resumed["outcome"]), (&1.into(), &"done".into()));
    assert_eq!(resumed["counts"]["done"], 8);
}

/// Whatever a target hangs in, and whether anybody reads what is said.
#[rstest]
fn a_signal_ends_it_when_the_time_is_over(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(true, false)] is_read: bool,
) {
    let db = slow(dialect, 2, 60.0);
    let mut run = AtWork::start(fleet(&db, &["upgrade", "--grace", "1", "--no-verify"]));
    let start = Instant::now();

    run.signal("-TERM");

    if is_read {
        let (status, _, err) = run.end();
        assert_eq!(status.code(), Some(1), "{err}");
        assert!(
            err.contains("done, or in 1 s") && err.contains("stopped what was still in flight"),
            "{err}"
        );
        assert!(err.lines().last().unwrap().starts_with("next: underpin fleet resume "), "{err}");
    } else {
        assert_eq!(run.child.wait().unwrap().code(), Some(1));
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let report = json(fleet(&db, &["report"]), 0);
    assert_eq!((&report["outcome"], &report["counts"]["running"]), (&"running".into(), &2.into()));
}

/// Nobody reads what a run says: it goes on to its end, which the exit code tells.
#[rstest]
fn a_closed_pipe_stops_no_run(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("out", "err", "both")] closed: &str,
    #[values(&["--json"], &[])] flags: &[&str],
) {
    let db = slow(dialect, 3, 0.2);
    super::on_target(&db, 2, "CREATE TABLE project_2.t (other INTEGER)");
    let args = [&["upgrade", "--continue-on-error", "--html", "report.html"], flags].concat();
    let mut child =
        fleet(&db, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut pipe: Box<dyn std::io::Read + Send>| {
        thread::spawn(move || pipe.read_to_end(&mut Vec::new()))
    };
    match closed {
        "out" => drop((out, read(Box::new(err)))),
        "err" => drop((read(Box::new(out)), err)),
        _ => drop((out, err)),
    }

    assert_eq!(child.wait().unwrap().code(), Some(1));

    let report = json(fleet(&db, &["report"]), 0);
    assert_eq!(super::each(&report, "state"), ["done", "failed", "done"], "{report:#}");
    assert!(db.dir().join("report.html").exists());
}

/// The journal is taken away in the middle of a run, as by a disk that is full: what is done is done, and
/// the last line says how to go on.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_journal_that_cannot_be_written_ends_the_run(#[case] dialect: Dialect) {
    let db = slow(dialect, 6, 0.7);
    let run = AtWork::start(fleet(&db, &["upgrade", "--jobs", "1", "--journal", "journal"]));
    let journal = underpin_db::DatabaseUrl::file(&db.dir().join("journal"));
    let change = |statements: &str| {
        let (journal, statements) = (journal.clone(), statements.to_owned());
        underpin_testkit::block_on(async move || {
            let options = underpin_db::ConnectOptions {
                access: underpin_db::Access::ReadWrite,
                ..underpin_db::ConnectOptions::default()
            };
            journal.connect(&options).await.unwrap().batch(&statements).await.unwrap();
        });
    };
    change(
        "CREATE TRIGGER full BEFORE UPDATE ON targets BEGIN SELECT raise(ABORT, 'disk is full'); END",
    );

    let (status, out, err) = run.end();

    assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("error: the journal `journal` cannot be used: disk is full"), "{err}");
    assert!(err.lines().last().unwrap().starts_with("next: underpin fleet resume "), "{err}");
    change("DROP TRIGGER full");
    let resumed = json(fleet(&db, &["resume", "--journal", "journal"]), 0);
    assert_eq!(resumed["counts"]["done"], 6, "{resumed:#}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_second_signal_stops_at_once(#[case] dialect: Dialect) {
    let db = slow(dialect, 4, 1.5);
    let mut run = AtWork::start(fleet(&db, &["upgrade", "--jobs", "2"]));

    run.signal("-INT");
    run.wait_for("stopping when what is in flight is done");
    run.signal("-INT");
    let (status, out, err) = run.end();

    assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
    assert!(err.lines().last().unwrap().starts_with("next: underpin fleet resume "), "{err}");
    let report = json(fleet(&db, &["report"]), 0);
    assert_eq!(report["outcome"], "running");
    assert_eq!(report["counts"]["running"], 2, "{report:#}");
    let resumed = json(fleet(&db, &["resume", "--jobs", "4"]), 0);
    assert_eq!(resumed["counts"]["done"], 4, "{resumed:#}");
    let status = json(fleet(&db, &["status"]), 0);
    assert_eq!(status["counts"]["current"], 4);
}

#[rstest]
fn the_second_of_two_runs_is_refused(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(&[], &["--journal", "another"])] journal: &[&str],
) {
    let db = slow(dialect, 4, 1.0);
    let run = AtWork::start(fleet(&db, &["upgrade", "--jobs", "1"]));

    let second = fleet(&db, &[&["upgrade"], journal].concat()).output().unwrap();

    let text = said(&second);
    assert_eq!(second.status.code(), Some(5), "{text}");
    let first = format!("process {} ", run.child.id());
    assert!(
        text.contains("another run on this fleet is at work") && text.contains(&first),
        "{text}"
    );
    let (status, _, err) = run.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

/// Killed between any two of its steps, `resume` comes to the same end.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_was_killed_is_gone_on_with(#[case] dialect: Dialect) {
    let mut steps = 0;
    loop {
        let db = targets(dialect, 3);
        crate::folder(&db, 1);
        let mut command = fleet(&db, &["upgrade", "--jobs", "1"]);
        command.env("FAILPOINTS", format!("fleet::step={steps}*off->panic"));
        let output = command.output().unwrap();
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), None, "after {steps}: {}", said(&output));

        let resumed = json(fleet(&db, &["resume"]), 0);

        assert_eq!(resumed["counts"]["done"], 3, "after {steps}: {resumed:#}");
        steps += 1;
    }
    assert!(steps > 6, "only {steps} steps: are the fail points there?");
}
