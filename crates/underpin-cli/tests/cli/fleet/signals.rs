//! Runs that are stopped, and two at once.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
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
