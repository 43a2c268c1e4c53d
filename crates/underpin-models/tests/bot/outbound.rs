//! Messages for the bot to say.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::{
    MAX_RETRIES, OutboundMessage, OutboundRepository as _, OutboundState, UnsentFilter,
};

use crate::{Bot, NOW, hostile, on_head};

const NONE: [i64; 0] = [];

async fn queue(db: &Db, message: &str, now: i64) -> i64 {
    db.enqueue_outbound_message(message.to_owned(), now).await.unwrap()
}

async fn fail(db: &Db, id: i64, permanent: bool, now: i64) {
    db.mark_outbound_failed(id, "no".to_owned(), permanent, now).await.unwrap();
}

async fn unsent(db: &Db, filter: UnsentFilter, now: i64) -> Vec<i64> {
    let messages = db.unsent_outbound_messages(filter, now).await.unwrap();
    messages.into_iter().map(|message| message.id).collect()
}

/// Whatever was tried how often and when.
fn any() -> UnsentFilter {
    UnsentFilter { limit: i64::MAX, max_retries: i64::MAX, bypass_backoff: true }
}

async fn message(db: &Db, id: i64) -> OutboundMessage {
    let all = db.recent_outbound_messages(i64::MAX).await.unwrap();
    all.into_iter().find(|message| message.id == id).unwrap()
}

/// How many are queued, retrying, sent, failed, abandoned.
async fn states(db: &Db) -> [i64; 5] {
    let states = db.outbound_states().await.unwrap();
    assert!(states.iter().map(|(state, _)| *state).eq(OutboundState::ALL));
    let counts: Vec<i64> = states.into_iter().map(|(_, count)| count).collect();
    counts.try_into().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_queued_message_reads_back(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let mut texts = hostile();
        texts.push(String::new());
        for text in texts {
            let id = queue(&db, &text, NOW).await;
            let expected = OutboundMessage {
                id,
                timestamp: NOW,
                message: text,
                sent: false,
                sent_timestamp: None,
                retry_count: 0,
                error_message: None,
                last_attempt: None,
                failed_at: None,
            };
            assert_eq!(message(&db, id).await, expected);
            assert_eq!(expected.state(), OutboundState::Queued);
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_id_is_given_once(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let first = queue(&db, "a", NOW).await;
        let second = queue(&db, "b", NOW).await;
        assert!(first < second);
        db.mark_outbound_sent(second, NOW).await.unwrap();
        assert_eq!(db.delete_outbound_before(NOW + 1).await.unwrap(), 1);

        assert!(queue(&db, "c", NOW).await > second);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_oldest_unsent_come_first_as_many_as_wanted(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let late = queue(&db, "late", NOW).await;
        let tie = queue(&db, "tie", NOW).await;
        let early = queue(&db, "early", NOW - 5).await;
        let done = queue(&db, "done", NOW - 9).await;
        db.mark_outbound_sent(done, NOW).await.unwrap();
        let all = [early, late, tie];

        for (limit, number) in [(0, 0), (1, 1), (2, 2), (3, 3), (50, 3), (i64::MAX, 3), (-1, 0)] {
            let filter = UnsentFilter { limit, ..UnsentFilter::default() };
            assert_eq!(unsent(&db, filter, NOW).await, all[..number], "limit {limit}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_nobody_tried_yet_does_not_wait_for_the_clock(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let id = queue(&db, "a", NOW).await;
        on.batch("UPDATE outbound_messages SET last_attempt = 9223372036854775807");

        for now in [NOW, NOW - 1, NOW - 100_000, i64::MIN] {
            assert_eq!(unsent(&db, UnsentFilter::default(), now).await, [id], "at {now}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_pause_counts_from_the_last_attempt_and_doubles(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let id = queue(&db, "a", NOW - 100_000).await;
        let filter = UnsentFilter { max_retries: 100, ..UnsentFilter::default() };
        let mut tried = NOW;
        for pause in [120, 240, 480, 960, 1_920, 3_840, 7_680, 7_680, 7_680] {
            fail(&db, id, false, tried).await;

            for too_early in [tried - 1, tried, tried + pause - 1] {
                assert_eq!(unsent(&db, filter, too_early).await, NONE, "{pause}");
                let bypass = UnsentFilter { bypass_backoff: true, ..filter };
                assert_eq!(unsent(&db, bypass, too_early).await, [id], "{pause}");
            }
            assert_eq!(unsent(&db, filter, tried + pause).await, [id], "{pause}");
            tried += pause;
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_pause_after_an_attempt_that_nobody_timed_counts_from_the_queueing(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let id = queue(&db, "a", NOW).await;
        on.batch("UPDATE outbound_messages SET retry_count = 2");

        assert_eq!(unsent(&db, UnsentFilter::default(), NOW + 239).await, NONE);
        assert_eq!(unsent(&db, UnsentFilter::default(), NOW + 240).await, [id]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_absurd_time_keeps_nobody_from_the_others(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        on.batch(
            "INSERT INTO outbound_messages (id, timestamp, message, retry_count, last_attempt) VALUES \
             (101, 9223372036854775807, 'a', 1, NULL), (102, 1, 'b', 1, 9223372036854775807), \
             (103, -9223372036854775807, 'c', 2, NULL), (104, 5, 'd', -3, NULL)",
        );

        assert_eq!(unsent(&db, UnsentFilter::default(), NOW).await, [103, 104]);
        assert_eq!(unsent(&db, UnsentFilter::default(), i64::MIN).await, [104]);
        assert_eq!(unsent(&db, any(), NOW).await, [103, 102, 104, 101]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_fewer_attempts_than_wanted(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let mut ids = Vec::new();
        for failures in 0..=4 {
            let id = queue(&db, "a", NOW).await;
            for _ in 0..failures {
                fail(&db, id, false, NOW).await;
            }
            ids.push(id);
        }
        let later = NOW + 100_000;

        let default = UnsentFilter::default();
        assert_eq!((default.max_retries, default.limit), (3, 50));
        for (max_retries, number) in
            [(i64::MIN, 0), (-1, 0), (0, 0), (1, 1), (MAX_RETRIES, 3), (4, 4), (i64::MAX, 5)]
        {
            let filter = UnsentFilter { max_retries, ..default };
            assert_eq!(unsent(&db, filter, later).await, ids[..number], "{max_retries}");
        }
        assert_eq!(states(&db).await, [1, 2, 0, 0, 2]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_said_after_a_failure_was_said(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        for permanent in [false, true] {
            let id = queue(&db, "a", NOW).await;
            fail(&db, id, permanent, NOW + 1).await;
            db.mark_outbound_sent(id, NOW + 2).await.unwrap();

            let said = message(&db, id).await;
            assert_eq!(said.state(), OutboundState::Sent);
            assert_eq!(
                (said.sent, said.sent_timestamp, said.failed_at),
                (true, Some(NOW + 2), None)
            );
            assert_eq!(said.error_message.as_deref(), Some("no"));
            assert_eq!((said.retry_count, said.last_attempt), (1, Some(NOW + 1)));

            // A failure that is reported late changes nothing; another success is the newer one.
            fail(&db, id, true, NOW + 3).await;
            assert_eq!(message(&db, id).await, said);
            db.mark_outbound_sent(id, NOW + 4).await.unwrap();
            let again = OutboundMessage { sent_timestamp: Some(NOW + 4), ..said };
            assert_eq!(message(&db, id).await, again);
        }
        assert_eq!(states(&db).await, [0, 0, 2, 0, 0]);
        assert_eq!(unsent(&db, any(), i64::MAX).await, NONE);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_failure_is_noted_and_a_permanent_one_is_the_end(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let id = queue(&db, "a", NOW).await;
        for (error, state, times) in [
            ("Zo\u{eb}'s \"line\"", OutboundState::Retrying, 1),
            ("", OutboundState::Retrying, 2),
            ("no", OutboundState::Abandoned, 3),
        ] {
            db.mark_outbound_failed(id, error.to_owned(), false, NOW + times).await.unwrap();

            let failed = message(&db, id).await;
            assert_eq!(failed.state(), state);
            assert_eq!((failed.retry_count, failed.last_attempt), (times, Some(NOW + times)));
            assert_eq!(failed.error_message.as_deref(), Some(error));
            assert_eq!((failed.sent, failed.sent_timestamp, failed.failed_at), (false, None, None));
        }

        let other = queue(&db, "b", NOW).await;
        fail(&db, other, true, NOW + 5).await;
        let failed = message(&db, other).await;
        assert_eq!((failed.state(), failed.failed_at), (OutboundState::Failed, Some(NOW + 5)));
        assert_eq!((failed.retry_count, failed.sent), (1, false));
        assert_eq!(unsent(&db, any(), i64::MAX).await, [id]);

        // One that is reported again stays what it is, since when it is.
        fail(&db, other, false, NOW + 6).await;
        let again = message(&db, other).await;
        assert_eq!((again.state(), again.failed_at), (OutboundState::Failed, Some(NOW + 5)));
        assert_eq!(again.retry_count, 2);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_unknown_id_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let id = queue(&db, "a", NOW).await;
        let before = message(&db, id).await;
        for unknown in [0, -1, id + 1, i64::MAX, i64::MIN] {
            db.mark_outbound_sent(unknown, NOW).await.unwrap();
            fail(&db, unknown, true, NOW).await;
        }

        assert_eq!(db.recent_outbound_messages(10).await.unwrap(), [before]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_newest_messages_come_first(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        assert_eq!(db.recent_outbound_messages(10).await.unwrap(), []);
        let mut newest = Vec::new();
        for now in [NOW, NOW, NOW + 1] {
            newest.insert(0, queue(&db, "a", now).await);
        }
        newest.push(queue(&db, "the clock went back", NOW - 1).await);
        db.mark_outbound_sent(newest[0], NOW).await.unwrap();
        fail(&db, newest[1], true, NOW).await;

        for (limit, number) in [(0, 0), (1, 1), (3, 3), (4, 4), (i64::MAX, 4), (-1, 0)] {
            let messages = db.recent_outbound_messages(limit).await.unwrap();
            let ids: Vec<i64> = messages.iter().map(|message| message.id).collect();
            assert_eq!(ids, newest[..number], "limit {limit}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn each_message_is_in_one_state(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        assert_eq!(states(&db).await, [0; 5]);
        for permanent in [false, true] {
            for sent in [false, true] {
                for failures in 0..=4 {
                    let id = queue(&db, "a", NOW).await;
                    for _ in 0..failures {
                        fail(&db, id, permanent, NOW).await;
                    }
                    if sent {
                        db.mark_outbound_sent(id, NOW).await.unwrap();
                    }
                }
            }
        }

        assert_eq!(states(&db).await, [2, 2, 10, 4, 2]);
        let mut counted = [0; 5];
        for message in db.recent_outbound_messages(100).await.unwrap() {
            let place = OutboundState::ALL.iter().position(|state| *state == message.state());
            counted[place.unwrap()] += 1;
        }
        assert_eq!(counted, states(&db).await);
    });
}

#[test]
fn a_state_has_the_name_that_callers_know() {
    let names = OutboundState::ALL.map(OutboundState::as_str);
    assert_eq!(names, ["queued", "retrying", "sent", "failed", "abandoned"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_came_to_an_end_before_is_deleted_and_nothing_else(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let old = NOW - 1_000_000;
        let mut kept = Vec::new();
        for (ended, gone) in [(NOW - 1, true), (NOW, false), (NOW + 1, false)] {
            let sent = queue(&db, "sent", old).await;
            db.mark_outbound_sent(sent, ended).await.unwrap();
            let failed = queue(&db, "failed", old).await;
            fail(&db, failed, true, ended).await;
            let abandoned = queue(&db, "abandoned", old).await;
            for at in [old, old + 1, ended] {
                fail(&db, abandoned, false, at).await;
            }
            if !gone {
                kept.extend([sent, failed, abandoned]);
            }
        }
        // Still to be sent, however old.
        let retried = queue(&db, "retried", old).await;
        fail(&db, retried, false, old).await;
        kept.extend([retried, queue(&db, "queued", old).await]);
        // What an older release abandoned has no time of an attempt: the queueing counts.
        on.batch(&format!(
            "INSERT INTO outbound_messages (id, timestamp, message, retry_count) VALUES \
             (101, {}, 'gone', 3), (102, {NOW}, 'stays', 3)",
            NOW - 1
        ));
        kept.push(102);

        assert_eq!(db.delete_outbound_before(old).await.unwrap(), 0);
        assert_eq!(db.delete_outbound_before(NOW).await.unwrap(), 4);

        let left = db.recent_outbound_messages(100).await.unwrap();
        let mut left: Vec<i64> = left.iter().map(|message| message.id).collect();
        left.sort_unstable();
        kept.sort_unstable();
        assert_eq!(left, kept);
        assert_eq!(db.delete_outbound_before(NOW).await.unwrap(), 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn attempts_that_are_full_take_no_more(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let id = db.enqueue_outbound_message("a".to_owned(), NOW).await.unwrap();
        on.batch("UPDATE outbound_messages SET retry_count = 9223372036854775807");

        let refused = db.mark_outbound_failed(id, "no".to_owned(), true, NOW).await.unwrap_err();

        assert!(refused.is_of_data() && refused.code().is_some(), "{refused:?}");
        let message = &db.recent_outbound_messages(1).await.unwrap()[0];
        assert_eq!((message.retry_count, message.failed_at), (i64::MAX, None));
        assert_eq!(message.error_message, None);
    });
}
