//! What the operations do, said once more in the simplest way: lists in memory.

use std::collections::BTreeMap;

use underpin_models::bot::{
    ChannelStats, CurrentStatus, OutboundMessage, OutboundState, StatusUpdate, UserStats,
};

/// Users, by number; some only look alike, and one is the channel itself.
pub(crate) const USERS: [&str; 3] = ["zo\u{eb}", "Zo\u{eb}", "SERVER"];
/// Messages, by number.
pub(crate) const MESSAGES: [&str; 3] = ["hi", "", "\u{1f980} % '"];

/// An operation; users, messages and tokens go by number.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// The clock goes on, or back, by so many seconds.
    Clock(i64),
    Join(usize),
    Leave(usize),
    EndSessions,
    EndSessionsAfterSilence(i64),
    Say(usize, usize),
    Keep(usize, usize),
    Count(i64, i64),
    Mark(i64, Option<i64>),
    Status(StatusUpdate),
    Queue(usize),
    Sent(usize),
    Failed(usize, bool),
    MakeToken,
    Validate(usize),
    /// By the whole token, or by its first eight characters.
    Revoke(usize, bool),
    Position(usize),
    Advance(usize, i64, i64),
    Job,
    /// Everything that came to its end so many seconds ago.
    Forget(i64),
}

/// Everything that can be read at one moment. Ids of messages and tokens are their numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) users: Vec<UserStats>,
    /// Most lines first, then by name.
    pub(crate) top: Vec<(String, i64)>,
    pub(crate) total: i64,
    pub(crate) sign_of_life: i64,
    pub(crate) chat: Vec<(i64, String, String)>,
    /// The newest three of the last 100 seconds.
    pub(crate) lately: Vec<(i64, String, String)>,
    /// Of the last 100 seconds.
    pub(crate) counts: Vec<(i64, i64, i64)>,
    pub(crate) marks: Option<ChannelStats>,
    pub(crate) status: Option<CurrentStatus>,
    /// Newest first.
    pub(crate) messages: Vec<OutboundMessage>,
    /// With the defaults; any number of attempts; two at most, without pauses.
    pub(crate) unsent: [Vec<i64>; 3],
    pub(crate) states: Vec<(OutboundState, i64)>,
    /// Newest first: number, creation, last use, revocation.
    pub(crate) tokens: Vec<Token>,
    pub(crate) active: Vec<i64>,
    pub(crate) job: Option<i64>,
}

/// A token: its number, and when it was made, last used and revoked.
pub(crate) type Token = (i64, i64, Option<i64>, Option<i64>);

/// The data.
#[derive(Default)]
pub(crate) struct Model {
    /// The clock.
    pub(crate) now: i64,
    users: BTreeMap<String, UserStats>,
    chat: Vec<(i64, String, String)>,
    counts: Vec<(i64, i64, i64)>,
    marks: Option<ChannelStats>,
    status: Option<CurrentStatus>,
    messages: Vec<OutboundMessage>,
    queued: i64,
    tokens: Vec<Token>,
    made: i64,
    position: Option<(usize, i64)>,
    job: Option<i64>,
}

impl Model {
    /// No data, at `now`.
    pub(crate) fn at(now: i64) -> Self {
        Self { now, ..Self::default() }
    }

    /// Does `op`, and gives what it returns.
    pub(crate) fn apply(&mut self, op: &Op) -> Vec<i64> {
        let now = self.now;
        match *op {
            Op::Clock(seconds) => self.now += seconds,
            Op::Join(user) => self.join(USERS[user]),
            Op::Leave(user) => {
                self.end(now, |name| name == USERS[user]);
            }
            Op::EndSessions => return vec![self.end(now, |_| true)],
            Op::EndSessionsAfterSilence(silence) => {
                let last = self.sign_of_life();
                let silent = now - last > silence;
                return vec![if silent { self.end(last, |_| true) } else { 0 }];
            }
            Op::Say(user, message) => self.say(USERS[user], MESSAGES[message]),
            Op::Keep(user, message) => self.keep(USERS[user], MESSAGES[message]),
            Op::Count(chat, connected) => self.counts.push((now, chat, connected)),
            Op::Mark(users, connected) => self.mark(users, connected.unwrap_or(0)),
            Op::Status(ref update) => self.say_status(update),
            Op::Queue(message) => {
                self.messages.push(queued(self.queued, now, MESSAGES[message]));
                self.queued += 1;
            }
            Op::Sent(number) => {
                if let Some(message) = self.message(number) {
                    message.sent = true;
                    message.sent_timestamp = Some(now);
                    message.failed_at = None;
                }
            }
            Op::Failed(number, permanent) => self.fail(number, permanent),
            Op::MakeToken => {
                self.tokens.push((self.made, now, None, None));
                self.made += 1;
            }
            Op::Validate(number) => {
                return vec![i64::from(self.change_token(number, |token| token.2 = Some(now)))];
            }
            Op::Revoke(number, _) => {
                return vec![i64::from(self.change_token(number, |token| token.3 = Some(now)))];
            }
            Op::Position(incarnation) => {
                let known = self.position.filter(|(known, _)| *known == incarnation);
                let at = known.map_or(0, |(_, at)| at);
                self.position = Some((incarnation, at));
                return vec![at];
            }
            Op::Advance(incarnation, from, to) => {
                let right = self.position == Some((incarnation, from));
                if right {
                    self.position = Some((incarnation, to));
                }
                return vec![i64::from(right)];
            }
            Op::Job => self.job = Some(now),
            Op::Forget(age) => return self.forget(now - age),
        }
        Vec::new()
    }

    fn join(&mut self, name: &str) {
        let now = self.now;
        let user = self.users.entry(name.to_owned()).or_insert_with(|| UserStats {
            username: name.to_owned(),
            first_seen: now,
            last_seen: now,
            total_chat_lines: 0,
            total_time_connected: 0,
            current_session_start: None,
        });
        user.last_seen = now;
        user.current_session_start =
            user.current_session_start.filter(|start| *start != 0).or(Some(now));
    }

    /// Ends the open sessions of whom `who` picks, and counts them.
    fn end(&mut self, at: i64, who: impl Fn(&str) -> bool) -> i64 {
        let mut ended = 0;
        for user in self.users.values_mut().filter(|user| who(&user.username)) {
            if let Some(start) = user.current_session_start.filter(|start| *start != 0) {
                user.total_time_connected += (at - start).max(0);
                user.current_session_start = None;
                user.last_seen = at;
                ended += 1;
            }
        }
        ended
    }

    fn sign_of_life(&self) -> i64 {
        let status = self.status.iter().map(|status| status.last_updated);
        let users = self.users.values().map(|user| user.last_seen);
        let counts = self.counts.iter().map(|count| count.0);
        status.chain(users).chain(counts).max().unwrap_or(0)
    }

    fn say(&mut self, name: &str, message: &str) {
        if let Some(user) = self.users.get_mut(name) {
            user.total_chat_lines += 1;
            user.last_seen = self.now;
        }
        if name != "SERVER" && !message.is_empty() {
            self.keep(name, message);
        }
    }

    fn keep(&mut self, name: &str, message: &str) {
        self.chat.push((self.now, name.to_owned(), message.to_owned()));
    }

    fn mark(&mut self, users: i64, connected: i64) {
        let mut marks = self.marks.clone().unwrap_or(ChannelStats {
            id: 1,
            max_users: 0,
            max_users_timestamp: None,
            max_connected: 0,
            max_connected_timestamp: None,
            last_updated: 0,
        });
        let raised = (users > marks.max_users, connected > marks.max_connected);
        if raised.0 {
            (marks.max_users, marks.max_users_timestamp) = (users, Some(self.now));
        }
        if raised.1 {
            (marks.max_connected, marks.max_connected_timestamp) = (connected, Some(self.now));
        }
        if raised.0 || raised.1 {
            marks.last_updated = self.now;
            self.marks = Some(marks);
        }
    }

    fn say_status(&mut self, update: &StatusUpdate) {
        if *update == StatusUpdate::default() {
            return;
        }
        let status = self.status.get_or_insert(CurrentStatus {
            id: 1,
            status: "offline".to_owned(),
            bot_name: None,
            bot_rank: None,
            bot_afk: None,
            channel_name: None,
            current_chat_users: 0,
            current_connected_users: 0,
            playlist_items: 0,
            current_media_title: None,
            current_media_duration: None,
            bot_start_time: None,
            bot_connected: None,
            current_users: 0,
            connected_users: 0,
            last_updated: 0,
        });
        status.last_updated = self.now;
        if let Some(rank) = update.bot_rank {
            status.bot_rank = rank;
        }
        if let Some(items) = update.playlist_items {
            status.playlist_items = items;
        }
        if let Some(title) = &update.current_media_title {
            status.current_media_title.clone_from(title);
        }
        if let Some(connected) = update.bot_connected {
            status.bot_connected = connected;
            let word = if connected == Some(true) { "online" } else { "offline" };
            word.clone_into(&mut status.status);
        }
    }

    fn message(&mut self, number: usize) -> Option<&mut OutboundMessage> {
        self.messages.iter_mut().find(|message| usize::try_from(message.id) == Ok(number))
    }

    fn fail(&mut self, number: usize, permanent: bool) {
        let now = self.now;
        if let Some(message) = self.message(number).filter(|message| !message.sent) {
            message.retry_count += 1;
            message.error_message = Some("no".to_owned());
            message.last_attempt = Some(now);
            if permanent {
                message.failed_at = Some(now);
            }
        }
    }

    fn change_token(&mut self, number: usize, change: impl FnOnce(&mut Token)) -> bool {
        let active =
            |token: &&mut Token| usize::try_from(token.0) == Ok(number) && token.3.is_none();
        self.tokens.iter_mut().find(active).map(change).is_some()
    }

    /// Forgets what ended before `before`: lines, counts, messages and tokens.
    fn forget(&mut self, before: i64) -> Vec<i64> {
        let old = |time: Option<i64>| time.is_some_and(|time| time < before);
        let ended = |message: &OutboundMessage| match state(message) {
            OutboundState::Sent => message.sent_timestamp,
            OutboundState::Failed => message.failed_at,
            OutboundState::Abandoned => message.last_attempt,
            OutboundState::Queued | OutboundState::Retrying => None,
        };
        vec![
            remove(&mut self.chat, |line| old(Some(line.0))),
            remove(&mut self.counts, |count| old(Some(count.0))),
            remove(&mut self.messages, |message| old(ended(message))),
            remove(&mut self.tokens, |token| old(token.3)),
        ]
    }

    fn unsent(&self, limit: usize, max_retries: i64, bypass: bool) -> Vec<i64> {
        let mut ready: Vec<&OutboundMessage> = self.messages.iter().collect();
        ready.retain(|message| !message.sent && message.failed_at.is_none());
        ready.retain(|message| message.retry_count < max_retries);
        ready.retain(|message| {
            let pause = 60 * (1 << message.retry_count.min(7));
            bypass || message.last_attempt.is_none_or(|last| last + pause <= self.now)
        });
        ready.sort_by_key(|message| (message.timestamp, message.id));
        ready.into_iter().map(|message| message.id).take(limit).collect()
    }

    /// Everything that can be read now.
    pub(crate) fn look(&self) -> Seen {
        let recent = self.now - 100;
        let users: Vec<UserStats> = self.users.values().cloned().collect();
        let mut top: Vec<_> =
            users.iter().map(|user| (user.username.clone(), user.total_chat_lines)).collect();
        top.retain(|(_, lines)| *lines > 0);
        top.sort_by_key(|(name, lines)| (-lines, name.clone()));
        // A stable sort keeps the order of arrival within a second.
        let mut chat = self.chat.clone();
        chat.sort_by_key(|line| line.0);
        let lately: Vec<_> = chat.iter().filter(|line| line.0 >= recent).cloned().collect();
        let mut counts = self.counts.clone();
        counts.retain(|count| count.0 >= recent);
        counts.sort_by_key(|count| count.0);
        let mut messages = self.messages.clone();
        messages.sort_by_key(|message| std::cmp::Reverse((message.timestamp, message.id)));
        let mut tokens = self.tokens.clone();
        tokens.sort_by_key(|token| std::cmp::Reverse((token.1, token.0)));
        let count = |wanted| messages.iter().filter(|one| state(one) == wanted).count();
        Seen {
            top,
            total: number(users.len()),
            users,
            sign_of_life: self.sign_of_life(),
            lately: lately[lately.len().saturating_sub(3)..].to_vec(),
            chat,
            counts,
            marks: self.marks.clone(),
            status: self.status.clone(),
            unsent: [
                self.unsent(50, 3, false),
                self.unsent(usize::MAX, i64::MAX, false),
                self.unsent(2, i64::MAX, true),
            ],
            states: OutboundState::ALL.map(|state| (state, number(count(state)))).into(),
            messages,
            active: tokens.iter().filter(|token| token.3.is_none()).map(|token| token.0).collect(),
            tokens,
            job: self.job,
        }
    }
}

fn queued(id: i64, now: i64, message: &str) -> OutboundMessage {
    OutboundMessage {
        id,
        timestamp: now,
        message: message.to_owned(),
        sent: false,
        sent_timestamp: None,
        retry_count: 0,
        error_message: None,
        last_attempt: None,
        failed_at: None,
    }
}

fn state(message: &OutboundMessage) -> OutboundState {
    if message.sent {
        OutboundState::Sent
    } else if message.failed_at.is_some() {
        OutboundState::Failed
    } else if message.retry_count >= 3 {
        OutboundState::Abandoned
    } else if message.retry_count > 0 {
        OutboundState::Retrying
    } else {
        OutboundState::Queued
    }
}

/// Removes what `old` picks, and counts it.
fn remove<T>(all: &mut Vec<T>, old: impl Fn(&T) -> bool) -> i64 {
    let before = all.len();
    all.retain(|one| !old(one));
    number(before - all.len())
}

pub(crate) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}
