//! `user.joined {username}`: somebody came.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::UserStatsRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserJoined {
    username: String,
}

impl Change for UserJoined {
    const SUBJECT: &'static str = "user.joined";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        Ok(Self { username: payload.name("username")? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.user_joined(self.username, at).await
    }
}
