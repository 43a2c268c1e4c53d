//! `user.left {username}`: somebody went.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::UserStatsRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserLeft {
    username: String,
}

impl Change for UserLeft {
    const SUBJECT: &'static str = "user.left";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        Ok(Self { username: payload.name("username")? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.user_left(self.username, at).await
    }
}
