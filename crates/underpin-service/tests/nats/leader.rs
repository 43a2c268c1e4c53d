//! Jobs: one replica runs them, another one when that dies, and they delete exactly what is old.

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

const LEADS: &str = "this replica leads";
const RAN: &str = "job `retention`";

fn runs(replica: &Replica) -> usize {
    replica.log().matches(RAN).count()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_replica_runs_the_jobs_and_another_takes_over(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", "1");
    let mut replicas = vec![stage.replica()];
    replicas[0].wait_for(LEADS);
    replicas.extend([stage.replica(), stage.replica()]);

    for _ in 0..2 {
        let before = runs(&replicas[0]);
        eventually("two more runs", || runs(&replicas[0]) >= before + 2);
        for other in &replicas[1..] {
            assert!(!other.log().contains(LEADS) && runs(other) == 0, "{}", other.log());
        }
        replicas.remove(0).kill();
        eventually("another leader", || replicas.iter().any(|one| one.log().contains(LEADS)));
        replicas.sort_by_key(|one| !one.log().contains(LEADS));
    }
    replicas[0].wait_for(RAN);
    assert_eq!(replicas[0].stop(), Some(0));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_old_is_deleted_and_nothing_else(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("RETENTION_INTERVAL_SECONDS", "0");
    let mut replica = stage.replica();
    replica.wait_for(LEADS);
    let now = stage.count(match dialect {
        Dialect::Sqlite => "SELECT unixepoch()",
        Dialect::Postgres => "SELECT floor(extract(epoch FROM now()))::bigint",
    });
    let (hour, day) = (3_600, 86_400);
    let mut rows = Vec::new();
    for (name, age) in [("old", hour), ("young", -hour)] {
        let count = now - 30 * day - age;
        let chat = now - 150 * hour - age;
        let outbound = now - 7 * day - age;
        let revoked = now - 90 * day - age;
        rows.push(format!(
            "INSERT INTO user_count_history (timestamp, chat_users, connected_users)
             VALUES ({count}, 1, 1);
             INSERT INTO recent_chat (timestamp, username, message) VALUES ({chat}, 'u', '{name}');
             INSERT INTO outbound_messages (timestamp, message, sent, sent_timestamp, retry_count,
                 last_attempt, failed_at) VALUES
                 (1, '{name} sent', TRUE, {outbound}, 0, NULL, NULL),
                 (1, '{name} failed', FALSE, NULL, 1, {outbound}, {outbound}),
                 (1, '{name} abandoned', FALSE, NULL, 3, {outbound}, NULL),
                 (1, '{name} retrying', FALSE, NULL, 2, {outbound}, NULL);
             INSERT INTO api_tokens (token_hash, preview, created_at, is_active, revoked_at) VALUES
                 ('{name} revoked', 'p', 1, FALSE, {revoked});"
        ));
    }
    let kept = "INSERT INTO outbound_messages (timestamp, message) VALUES (1, 'queued');
             INSERT INTO api_tokens (token_hash, preview, created_at) VALUES ('active', 'p', 1);
             INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines,
                 total_time_connected) VALUES ('u', 1, 1, 1, 1);
             INSERT INTO user_actions (timestamp, username, action_type) VALUES (1, 'u', 'x')";
    stage.db.batch(&(rows.concat() + kept));
    assert_eq!(replica.stop(), Some(0));
    assert_eq!(runs(&replica), 0, "an interval of 0 switches the job off");

    let stage = stage.with("RETENTION_INTERVAL_SECONDS", "1");
    let mut replica = stage.replica();
    replica.wait_for(
        "job `retention`: deleted 1 user counts, 1 chat lines, 3 outbound messages, \
         1 revoked tokens",
    );
    replica.wait_for("job `retention`: nothing is old enough to be deleted");

    assert_eq!(stage.count("SELECT count(*) FROM user_count_history"), 1);
    assert_eq!(stage.db.texts("SELECT message FROM recent_chat"), ["young"]);
    assert_eq!(
        stage.db.texts("SELECT message FROM outbound_messages ORDER BY id"),
        [
            "old retrying",
            "young sent",
            "young failed",
            "young abandoned",
            "young retrying",
            "queued"
        ]
    );
    let tokens = stage.db.texts("SELECT token_hash FROM api_tokens ORDER BY id");
    assert_eq!(tokens, ["young revoked", "active"]);
    assert_eq!(stage.count("SELECT count(*) FROM user_stats"), 1);
    assert_eq!(stage.count("SELECT count(*) FROM user_actions"), 1);
    assert_eq!(replica.stop(), Some(0));
}

/// A job that fails is told, and the next one runs.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_job_that_fails_stops_nothing(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core)
        .with("RETENTION_INTERVAL_SECONDS", "1")
        .with("OPTIMIZE_INTERVAL_SECONDS", "1");
    let mut replica = stage.replica();
    replica.wait_for(RAN);
    stage.db.batch("ALTER TABLE recent_chat RENAME TO elsewhere");
    replica.wait_for("job `retention` failed: ");
    stage.db.batch("ALTER TABLE elsewhere RENAME TO recent_chat");
    let before = replica.log().matches("job `retention`: ").count();

    replica.wait_for_times("job `retention`: ", before + 1);

    replica.wait_for("job `optimize`: the statistics of the tables are up to date");
    assert_eq!(replica.stop(), Some(0));
}
