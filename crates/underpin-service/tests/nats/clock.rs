//! A clock that is wrong deletes nothing, and stops no job once it is right again.

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

const RIGHT: &str = "+0";
const WRONG: [&str; 3] = ["@2090-01-01 00:00:00", "@1970-01-02 00:00:00", "+40d"];
/// Seconds that chat lines are kept by default.
const KEPT: i64 = 150 * 3_600;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// The service with a clock that says what is in the file `clock`, also while it runs. What measures how
/// much time passes is right.
fn with_clock(stage: &Stage, clock: &str) -> Replica {
    set_clock(stage, clock);
    let library =
        Command::new("faketime").args(["2090-01-01 00:00:00", "printenv", "LD_PRELOAD"]).output();
    let library = String::from_utf8(library.unwrap().stdout).unwrap();
    let mut command = stage.command();
    command.envs([
        ("LD_PRELOAD", library.trim()),
        ("FAKETIME_TIMESTAMP_FILE", stage.db.dir().join("clock").to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
    Replica::start(command)
}

fn set_clock(stage: &Stage, clock: &str) {
    let (new, file) = (stage.db.dir().join("clock.new"), stage.db.dir().join("clock"));
    fs::write(&new, format!("{clock}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

fn say(stage: &Stage, message: &str, age: i64) {
    let at = now() - age;
    stage.db.batch(&format!(
        "INSERT INTO recent_chat (timestamp, username, message) VALUES ({at}, 'ada', '{message}')"
    ));
}

fn lines(stage: &Stage) -> Vec<String> {
    stage.db.texts("SELECT message FROM recent_chat ORDER BY message")
}

fn jobs_run(stage: &Stage, replica: &Replica) {
    let before = replica.log().matches("job `retention`").count();
    eventually("retention", || replica.log().matches("job `retention`").count() >= before + 2);
    let last = stage.count("SELECT max(last_run) FROM job_runs");
    assert!(last <= now() + 5, "a job ran at {last}, which is still to come");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_start_with_a_wrong_clock_deletes_nothing(#[case] dialect: Dialect) {
    for clock in WRONG {
        let stage = Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", "1");
        let mut replica = with_clock(&stage, RIGHT);
        jobs_run(&stage, &replica);
        assert_eq!(replica.stop(), Some(0));
        say(&stage, "young", 60);
        say(&stage, "old", KEPT + 3_600);

        let mut replica = with_clock(&stage, clock);
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(replica.stop(), Some(0));

        assert_eq!(lines(&stage), ["old", "young"], "{clock}");
        let mut replica = with_clock(&stage, RIGHT);
        jobs_run(&stage, &replica);
        assert_eq!(lines(&stage), ["young"], "{clock}");
        assert_eq!(replica.stop(), Some(0));
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_clock_that_leaps_and_comes_back_deletes_nothing(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", "1");
    let mut replica = with_clock(&stage, RIGHT);
    jobs_run(&stage, &replica);
    say(&stage, "young", 60);
    for clock in WRONG {
        set_clock(&stage, clock);
        std::thread::sleep(Duration::from_secs(1));
        say(&stage, "old", KEPT + 3_600);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(lines(&stage), ["old", "young"], "{clock}");

        set_clock(&stage, RIGHT);
        eventually("the right time", || lines(&stage) == ["young"]);
        jobs_run(&stage, &replica);
    }
    assert_eq!(replica.stop(), Some(0));
}

/// What a release that believed every clock has left.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_is_still_to_come_counts_as_none(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", "1");
    let mut replica = stage.replica();
    assert_eq!(replica.stop(), Some(0));
    stage.db.batch("DELETE FROM job_runs");
    stage.db.batch(
        "INSERT INTO job_runs (job, last_run) VALUES ('retention', 3786912000), \
         ('repair', 3786912000), ('optimize', 3786912000)",
    );
    say(&stage, "young", 60);
    say(&stage, "old", KEPT + 3_600);

    let mut replica = stage.replica();

    eventually("retention", || lines(&stage) == ["young"]);
    assert_eq!(stage.count("SELECT count(*) FROM job_runs WHERE last_run > 3000000000"), 0);
    assert_eq!(replica.stop(), Some(0));
}
