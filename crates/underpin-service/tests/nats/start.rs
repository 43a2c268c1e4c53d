//! The start: it waits for the NATS server, and says clearly why it cannot go on.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::{Dialect, NatsServer};

use crate::{
    chat,
    replica::Replica,
    stage::{Mode, Stage},
};

const SECRET: &str = "hunter2";

/// The one error that ends a start.
fn error(replica: &mut Replica) -> String {
    assert_eq!(replica.end(), Some(1), "{}", replica.log());
    let log = replica.log();
    assert!(!log.contains(SECRET) && !log.contains("listening"), "{log}");
    let errors: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    errors[0].to_owned()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn without_a_nats_server_it_ends_after_a_while(#[case] dialect: Dialect) {
    let mut stage = Stage::new(dialect, Mode::Core).with("NATS_WAIT_SECONDS", "1");
    stage.nats = NatsServer::not_started();
    let address = stage.nats.address();
    let url = format!("nats://me:{SECRET}@{address}");
    let stage = stage.with("NATS_URL", &url).with("LOG_LEVEL", "trace");

    let mut replica = Replica::spawn(stage.command());

    let expected = format!("cannot connect to NATS at {address}: see `NATS_URL`");
    assert!(error(&mut replica).starts_with(&expected), "{}", replica.log());
    let waiting = replica.said("WARN");
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert!(waiting[0].starts_with(&format!("waiting up to 1 s for NATS at {address}: ")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Stream)]
fn a_nats_server_may_come_later(#[case] dialect: Dialect, #[case] mode: Mode) {
    let mut stage = Stage::new(dialect, mode);
    stage.nats = NatsServer::not_started();
    let mut replica = Replica::spawn(stage.command());
    replica.wait_for("waiting up to 30 s for NATS");

    stage.nats.restart();

    replica.wait_for("listening on http://");
    let bus = stage.bus();
    chat::join(&stage, &bus);
    assert_eq!(bus.ask("query.channel_stats", &json!({}))["success"], true);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_password_is_used_and_shown_nowhere(#[case] dialect: Dialect) {
    let mut stage = Stage::new(dialect, Mode::Stream).with("NATS_WAIT_SECONDS", "1");
    stage.nats = NatsServer::with_options(&["--user", "me", "--pass", &format!("{SECRET}@")]);
    let address = stage.nats.address();
    let stage = stage.with("LOG_LEVEL", "trace");

    let wrong = stage.with("NATS_URL", &format!("nats://me:wrong-{SECRET}@{address}"));
    let mut replica = Replica::spawn(wrong.command());
    let said = error(&mut replica);
    assert!(said.starts_with(&format!("cannot connect to NATS at {address}: ")), "{said}");

    let right = wrong.with("NATS_URL", &format!("nats://m%65:{SECRET}%40@{address}"));
    let mut replica = right.replica();
    assert_eq!(replica.stop(), Some(0));
    assert!(!replica.log().contains(SECRET), "{}", replica.log());
}

/// A stream of this name that holds something else, or too much.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stream_that_does_not_fit_is_refused(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let bus = stage.bus();
    for (subjects, expected) in [
        (
            vec!["rosey.db.user.*", "rosey.db.stats.user_count"],
            "the stream `ROSEY_DB` exists, but does not capture `rosey.db.message.log`: add it to \
             the stream's subjects, or name another stream with `NATS_STREAM`",
        ),
        (
            vec!["rosey.db.>"],
            "the stream `ROSEY_DB` captures the requests of `rosey.db.messages.outbound.get`, which \
             the server would then answer itself: take it out of the stream's subjects",
        ),
    ] {
        bus.make_stream("ROSEY_DB", &subjects);
        let mut replica = Replica::spawn(stage.command());
        assert_eq!(error(&mut replica), expected);
        bus.delete_stream("ROSEY_DB");
    }
    bus.make_stream("ELSEWHERE", &["rosey.db.user.*"]);
    let mut replica = Replica::spawn(stage.command());
    let said = error(&mut replica);
    assert!(said.starts_with("cannot use the JetStream stream `ROSEY_DB`"), "{said}");
}
