//! What can happen: one line per subject whose messages change something.

use underpin_db::{DbConn, DbError};

use super::{
    high_water::HighWater,
    mark_failed::MarkFailed,
    mark_sent::MarkSent,
    message_log::MessageLog,
    payload::{Malformed, Payload},
    pm_command::PmCommand,
    status_update::StatusUpdated,
    user_count::UserCounted,
    user_joined::UserJoined,
    user_left::UserLeft,
};

/// A message that changes something, and how.
pub(crate) trait Change: Sized + Clone {
    /// The subject after the prefix.
    const SUBJECT: &'static str;

    /// Understands a message.
    fn read(payload: &Payload) -> Result<Self, Malformed>;

    /// Makes the change that arrived `at` (Unix seconds) within a transaction.
    fn apply(self, conn: &mut DbConn, at: i64) -> impl Future<Output = Result<(), DbError>> + Send;
}

macro_rules! events {
    ($($Event:ident),+ $(,)?) => {
        /// A message that was understood, of any subject.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Event {
            $($Event($Event)),+
        }

        impl Event {
            /// Every subject, after the prefix.
            pub(crate) const SUBJECTS: &[&str] = &[$($Event::SUBJECT),+];

            /// Understands the message of a subject; `None` when the subject is not one of ours.
            pub(crate) fn read(subject: &str, bytes: &[u8]) -> Option<Result<Self, Malformed>> {
                match subject {
                    $($Event::SUBJECT => Some(
                        Payload::parse(bytes).and_then(|payload| $Event::read(&payload)).map(Self::$Event)
                    ),)+
                    _ => None,
                }
            }

            /// Makes the change that arrived `at` (Unix seconds) within a transaction.
            pub(crate) async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
                match self {
                    $(Self::$Event(event) => event.apply(conn, at).await),+
                }
            }
        }
    };
}

events! {
    UserJoined,
    UserLeft,
    MessageLog,
    UserCounted,
    HighWater,
    StatusUpdated,
    MarkSent,
    MarkFailed,
    PmCommand,
}
