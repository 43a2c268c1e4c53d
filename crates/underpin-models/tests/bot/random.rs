//! Whatever happens in whatever order, the database gives what the model gives.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use rstest::rstest;
use underpin_db::{Db, Dialect, PoolOptions};
use underpin_models::bot::{
    ApiTokenRepository as _, ChannelStatsRepository as _, CurrentStatusRepository as _,
    EventPositionRepository as _, JobRunRepository as _, OutboundRepository as _,
    RecentChatRepository as _, SessionRepository as _, StatusUpdate, UnsentFilter,
    UserCountRepository as _, UserStatsRepository as _,
};
use underpin_testkit::{TestDb, block_on};

use crate::{
    NOW, at_head,
    model::{MESSAGES, Model, Op, Seen, Token, USERS, number},
};

/// How many sequences, and how long they are.
const CASES: u32 = 32;
const STEPS: std::ops::Range<usize> = 15..35;

fn op() -> impl Strategy<Value = Op> {
    let (user, message) = (0..USERS.len(), 0..MESSAGES.len());
    // One more than there often are: unknown ones belong to it.
    let (queued, token) = (0..4_usize, 0..3_usize);
    // Around the pauses after failures and the windows of the reads; and back.
    let clock = prop_oneof![0..3_i64, 99..102_i64, 119..122_i64, 200..500_i64, -150..0_i64];
    prop_oneof![
        4 => clock.prop_map(Op::Clock),
        3 => user.clone().prop_map(Op::Join),
        2 => user.clone().prop_map(Op::Leave),
        1 => Just(Op::EndSessions),
        1 => (0..300_i64).prop_map(Op::EndSessionsAfterSilence),
        3 => (user.clone(), message.clone()).prop_map(|(user, message)| Op::Say(user, message)),
        1 => (user, message.clone()).prop_map(|(user, message)| Op::Keep(user, message)),
        2 => (-1..3_i64, -1..3_i64).prop_map(|(chat, connected)| Op::Count(chat, connected)),
        2 => (-1..5_i64, option::of(-1..5_i64)).prop_map(|(users, all)| Op::Mark(users, all)),
        2 => status().prop_map(Op::Status),
        3 => message.prop_map(Op::Queue),
        3 => queued.clone().prop_map(Op::Sent),
        5 => (queued, prop::bool::weighted(0.25)).prop_map(|(id, permanent)| Op::Failed(id, permanent)),
        1 => Just(Op::MakeToken),
        1 => token.clone().prop_map(Op::Validate),
        1 => (token, any::<bool>()).prop_map(|(token, whole)| Op::Revoke(token, whole)),
        1 => (0..2_usize).prop_map(Op::Position),
        2 => (0..2_usize, 0..3_i64, 1..3_i64).prop_map(|(of, from, by)| Op::Advance(of, from, from + by)),
        1 => Just(Op::Job),
        1 => (-5..400_i64).prop_map(Op::Forget),
    ]
}

fn status() -> impl Strategy<Value = StatusUpdate> {
    let title = (0..MESSAGES.len()).prop_map(|message| MESSAGES[message].to_owned());
    let rank = prop_oneof![Just(2.5), Just(-0.1)];
    (
        option::of(option::of(rank)),
        option::of(-1..9_i64),
        option::of(option::of(title)),
        option::of(option::of(any::<bool>())),
    )
        .prop_map(|(bot_rank, playlist_items, current_media_title, bot_connected)| {
            StatusUpdate {
                bot_rank,
                playlist_items,
                current_media_title,
                bot_connected,
                ..StatusUpdate::default()
            }
        })
}

/// The database, and what it made: ids of messages and tokens, by number.
struct Real {
    db: Db,
    ids: Vec<i64>,
    tokens: Vec<String>,
}

impl Real {
    /// Does `op` at `now`, and gives what it returns.
    async fn apply(&mut self, op: &Op, now: i64) -> Vec<i64> {
        let db = &self.db;
        let user = |user: usize| USERS[user].to_owned();
        let text = |message: usize| MESSAGES[message].to_owned();
        let id = |queued: usize| self.ids.get(queued).copied().unwrap_or(-1);
        let token = |token: usize| self.tokens.get(token).cloned().unwrap_or_default();
        let stream = |incarnation: usize| ("BOT".to_owned(), incarnation.to_string());
        match *op {
            Op::Clock(_) => {}
            Op::Join(who) => db.user_joined(user(who), now).await.unwrap(),
            Op::Leave(who) => db.user_left(user(who), now).await.unwrap(),
            Op::EndSessions => return vec![number(db.end_sessions(now).await.unwrap())],
            Op::EndSessionsAfterSilence(silence) => {
                return vec![number(db.end_sessions_after_silence(now, silence).await.unwrap())];
            }
            Op::Say(who, what) => {
                db.user_chat_message(user(who), text(what), now).await.unwrap();
            }
            Op::Keep(who, what) => db.log_chat(user(who), text(what), now).await.unwrap(),
            Op::Count(chat, connected) => db.log_user_count(chat, connected, now).await.unwrap(),
            Op::Mark(users, connected) => {
                db.update_high_water_mark(users, connected, now).await.unwrap();
            }
            Op::Status(ref update) => db.update_current_status(update.clone(), now).await.unwrap(),
            Op::Queue(what) => {
                self.ids.push(db.enqueue_outbound_message(text(what), now).await.unwrap());
            }
            Op::Sent(queued) => db.mark_outbound_sent(id(queued), now).await.unwrap(),
            Op::Failed(queued, permanent) => {
                let error = "no".to_owned();
                db.mark_outbound_failed(id(queued), error, permanent, now).await.unwrap();
            }
            Op::MakeToken => {
                let made = db.generate_api_token(self.tokens.len().to_string(), now).await;
                self.tokens.push(made.unwrap());
            }
            Op::Validate(which) => {
                let valid = db.validate_api_token(token(which), now).await.unwrap();
                return vec![i64::from(valid)];
            }
            Op::Revoke(which, whole) => {
                let mut prefix = token(which);
                prefix.truncate(if whole { prefix.len() } else { 8 });
                return vec![number(db.revoke_api_token(prefix, now).await.unwrap())];
            }
            Op::Position(of) => {
                let (stream, incarnation) = stream(of);
                return vec![db.event_position(stream, incarnation).await.unwrap()];
            }
            Op::Advance(of, from, to) => {
                let (stream, incarnation) = stream(of);
                let moved = db.advance_event_position(stream, incarnation, from, to).await;
                return vec![i64::from(moved.unwrap())];
            }
            Op::Job => db.record_job_run("job".to_owned(), now).await.unwrap(),
            Op::Forget(age) => {
                let before = now - age;
                return [
                    db.delete_chat_before(before).await,
                    db.delete_user_counts_before(before).await,
                    db.delete_outbound_before(before).await,
                    db.delete_tokens_revoked_before(before).await,
                ]
                .map(|deleted| number(deleted.unwrap()))
                .into();
            }
        }
        Vec::new()
    }

    /// Everything that can be read at `now`.
    async fn look(&self, now: i64) -> Seen {
        let db = &self.db;
        let mut users = Vec::new();
        for user in USERS {
            users.extend(db.user_stats(user.to_owned()).await.unwrap());
        }
        users.sort_by(|one, other| one.username.cmp(&other.username));
        let mut top = db.top_chatters(i64::MAX).await.unwrap();
        top.sort_by_key(|(name, lines)| (-lines, name.clone()));
        let counts = db.user_count_history(now - 100).await.unwrap();
        let (tokens, active) = (self.tokens_listed(true).await, self.tokens_listed(false).await);
        Seen {
            users,
            top,
            total: db.total_users_seen().await.unwrap(),
            sign_of_life: db.last_sign_of_life().await.unwrap(),
            chat: self.chat(None, i64::MAX).await,
            lately: self.chat(Some(now - 100), 3).await,
            counts: counts
                .into_iter()
                .map(|count| (count.timestamp, count.chat_users, count.connected_users))
                .collect(),
            marks: db.high_water_marks().await.unwrap(),
            status: db.current_status().await.unwrap(),
            messages: {
                let mut messages = db.recent_outbound_messages(i64::MAX).await.unwrap();
                for message in &mut messages {
                    message.id = self.number(message.id);
                }
                messages
            },
            unsent: [
                self.unsent(UnsentFilter::default(), now).await,
                self.unsent(UnsentFilter { max_retries: i64::MAX, ..UnsentFilter::default() }, now)
                    .await,
                self.unsent(
                    UnsentFilter { limit: 2, max_retries: i64::MAX, bypass_backoff: true },
                    now,
                )
                .await,
            ],
            states: db.outbound_states().await.unwrap(),
            tokens,
            active: active.into_iter().map(|token| token.0).collect(),
            job: db.job_last_run("job".to_owned()).await.unwrap(),
        }
    }

    async fn chat(&self, since: Option<i64>, limit: i64) -> Vec<(i64, String, String)> {
        let lines = self.db.recent_chat(since, limit).await.unwrap();
        lines.into_iter().map(|line| (line.timestamp, line.username, line.message)).collect()
    }

    /// The number of the message with this id.
    fn number(&self, id: i64) -> i64 {
        number(self.ids.iter().position(|known| *known == id).unwrap())
    }

    async fn unsent(&self, filter: UnsentFilter, now: i64) -> Vec<i64> {
        let messages = self.db.unsent_outbound_messages(filter, now).await.unwrap();
        messages.into_iter().map(|message| self.number(message.id)).collect()
    }

    async fn tokens_listed(&self, revoked: bool) -> Vec<Token> {
        let listed = self.db.list_api_tokens(revoked).await.unwrap();
        let token = |token: underpin_models::bot::ApiToken| {
            assert_eq!(token.is_active, token.revoked_at.is_none());
            let number = token.description.unwrap().parse().unwrap();
            (number, token.created_at, token.last_used, token.revoked_at)
        };
        listed.into_iter().map(token).collect()
    }
}

/// Runs `ops` on an empty database and on the model, and compares after each step.
async fn compare(on: &TestDb, ops: &[Op]) -> Result<(), TestCaseError> {
    on.batch(
        "DELETE FROM api_tokens; DELETE FROM channel_stats; DELETE FROM current_status; \
         DELETE FROM event_positions; DELETE FROM job_runs; DELETE FROM outbound_messages; \
         DELETE FROM recent_chat; DELETE FROM user_count_history; DELETE FROM user_stats",
    );
    // One connection prepares each statement once, and need not be asked whether it is alive.
    let options = PoolOptions { size: 1, liveness_check: false, ..PoolOptions::default() };
    let db = Db::connect(&on.database_url(), &options).await.unwrap();
    let mut real = Real { db, ids: Vec::new(), tokens: Vec::new() };
    let mut model = Model::at(NOW);
    for op in ops {
        prop_assert_eq!(real.apply(op, model.now).await, model.apply(op), "{:?}", op);
        prop_assert_eq!(real.look(model.now).await, model.look(), "after {:?}", op);
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn any_operations_do_what_the_model_does(#[case] dialect: Dialect) {
    let on = at_head(dialect);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_121),
        ..Config::default()
    };

    TestRunner::new(config)
        .run(&vec(op(), STEPS), |ops| block_on(async || compare(&on, &ops).await))
        .unwrap();
}
