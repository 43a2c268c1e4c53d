//! A clock that is wrong deletes nothing, and delays no job by more than its interval once it is right again.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{
    chat,
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

const RIGHT: &str = "+0";
/// Seconds between two runs of the job that deletes.
const INTERVAL: u64 = 2;
/// Longer than anything is kept by default, in seconds.
const OLD: i64 = 100 * 86_400;

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

/// A row of this age in each table that the job deletes from.
fn write(stage: &Stage, age: i64) {
    let at = now() - age;
    stage.db.batch(&format!(
        "INSERT INTO recent_chat (timestamp, username, message) VALUES ({at}, 'ada', 'm');
         INSERT INTO user_count_history (timestamp, chat_users, connected_users) VALUES ({at}, 1, 1);
         INSERT INTO outbound_messages (timestamp, message, sent, sent_timestamp, retry_count)
             VALUES ({at}, 'm', TRUE, {at}, 0);
         INSERT INTO api_tokens (token_hash, preview, created_at, is_active, revoked_at)
             VALUES ('{at}', '', {at}, FALSE, {at})"
    ));
}

/// How many rows each of these tables has.
fn rows(stage: &Stage) -> [i64; 4] {
    ["recent_chat", "user_count_history", "outbound_messages", "api_tokens"]
        .map(|table| stage.count(&format!("SELECT count(*) FROM {table}")))
}

fn jobs_run(stage: &Stage, replica: &Replica) {
    let before = replica.log().matches("job `retention`").count();
    eventually("retention", || replica.log().matches("job `retention`").count() >= before + 2);
    let last = stage.count("SELECT max(last_run) FROM job_runs");
    assert!(last <= now() + 5, "a job ran at {last}, which is still to come");
}

/// The right time is there again: what is old goes after one interval at most.
fn is_caught_up(stage: &Stage, since: Instant) {
    eventually("retention", || rows(stage) == [1; 4]);
    // A look each second, and a machine that runs other tests.
    let most = Duration::from_secs(INTERVAL + 1 + 4);
    assert!(since.elapsed() < most, "it took {:?}", since.elapsed());
}

fn stage(dialect: Dialect) -> Stage {
    Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", &INTERVAL.to_string())
}

#[rstest]
fn a_start_with_a_wrong_clock_deletes_nothing(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("@2100-01-01 00:00:00", "@1970-01-02 00:00:00", "+40d", "-40d")] clock: &str,
) {
    let stage = stage(dialect);
    let mut replica = with_clock(&stage, RIGHT);
    jobs_run(&stage, &replica);
    assert_eq!(replica.stop(), Some(0));
    write(&stage, 60);
    write(&stage, OLD);

    let mut replica = with_clock(&stage, clock);
    std::thread::sleep(Duration::from_secs(INTERVAL + 3));
    assert_eq!(replica.stop(), Some(0));

    assert_eq!(rows(&stage), [2; 4]);
    let mut replica = with_clock(&stage, RIGHT);
    is_caught_up(&stage, Instant::now());
    jobs_run(&stage, &replica);
    assert_eq!(replica.stop(), Some(0));
}

#[rstest]
fn a_clock_that_leaps_and_comes_back_deletes_nothing(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("@2100-01-01 00:00:00", "@1970-01-02 00:00:00", "+40d", "-40d", "+1h", "-1h")]
    clock: &str,
) {
    let stage = stage(dialect);
    let mut replica = with_clock(&stage, RIGHT);
    jobs_run(&stage, &replica);
    write(&stage, 60);
    set_clock(&stage, clock);
    std::thread::sleep(Duration::from_secs(1));
    write(&stage, OLD);
    std::thread::sleep(Duration::from_secs(INTERVAL + 3));
    assert_eq!(rows(&stage), [2; 4]);

    set_clock(&stage, RIGHT);

    is_caught_up(&stage, Instant::now());
    jobs_run(&stage, &replica);
    assert_eq!(replica.stop(), Some(0));
}

/// What is written by a wrong clock says the same as the clock, and proves nothing.
#[rstest]
fn lines_that_have_the_wrong_time_do_not_prove_it(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(true, false)] at_start: bool,
) {
    let stage = stage(dialect);
    let mut replica = with_clock(&stage, RIGHT);
    jobs_run(&stage, &replica);
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let far = "@2100-01-01 00:00:00";
    write(&stage, 60);
    if at_start {
        assert_eq!(replica.stop(), Some(0));
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                chat::say(&bus, number..=number);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        if at_start {
            replica = with_clock(&stage, far);
        } else {
            set_clock(&stage, far);
        }
        write(&stage, OLD);
        std::thread::sleep(Duration::from_secs(INTERVAL + 3));
        is_over.store(true, Ordering::Relaxed);
        talk.join().unwrap();
    });
    assert_eq!(replica.stop(), Some(0));

    let wrong = stage.count("SELECT count(*) FROM recent_chat WHERE timestamp > 4000000000");
    assert!(wrong > 50, "{wrong} lines");
    let right = stage.count("SELECT count(*) FROM recent_chat WHERE username = 'ada'");
    assert_eq!((right, &rows(&stage)[1..]), (2, &[2; 3][..]));
}

/// Each of many readings may be wrong in its own way.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_clock_that_leaps_again_and_again_deletes_nothing(#[case] dialect: Dialect) {
    let stage = stage(dialect);
    let mut replica = with_clock(&stage, RIGHT);
    jobs_run(&stage, &replica);
    write(&stage, 60);
    set_clock(&stage, "+40d");
    write(&stage, OLD);
    for clock in ["-40d", "@2100-01-01 00:00:00", "@1970-01-02 00:00:00", "+400d", "-1h"] {
        set_clock(&stage, clock);
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(rows(&stage), [2; 4], "{clock}");
    }

    set_clock(&stage, RIGHT);

    is_caught_up(&stage, Instant::now());
    assert_eq!(replica.stop(), Some(0));
}

/// What a release that believed every clock has left.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_is_still_to_come_counts_as_none(#[case] dialect: Dialect) {
    let stage = stage(dialect);
    let mut replica = stage.replica();
    assert_eq!(replica.stop(), Some(0));
    stage.db.batch("DELETE FROM job_runs");
    stage.db.batch(
        "INSERT INTO job_runs (job, last_run) VALUES ('retention', 3786912000), \
         ('repair', 3786912000), ('optimize', 3786912000)",
    );
    write(&stage, 60);
    write(&stage, OLD);

    let mut replica = stage.replica();

    eventually("retention", || rows(&stage) == [1; 4]);
    assert_eq!(stage.count("SELECT count(*) FROM job_runs WHERE last_run > 3000000000"), 0);
    assert_eq!(replica.stop(), Some(0));
}
