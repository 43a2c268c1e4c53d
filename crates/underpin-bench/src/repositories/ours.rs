//! Calls of the repositories.

use anyhow::ensure;
use futures_util::FutureExt as _;
use underpin_db::Db;
use underpin_models::bot::{
    ApiTokenRepository as _, RecentChatRepository as _, UserStatsRepository as _,
};

use super::{Call, NEWEST, TEN};
use crate::database::{MESSAGE, NOW, user};

pub(super) async fn turn(db: &Db, call: Call, count: usize, token: &str) -> anyhow::Result<()> {
    for number in 0..count {
        match call {
            Call::Insert => db.log_chat(user(number), MESSAGE.to_owned(), NOW).await?,
            Call::Select => {
                let found = db.user_stats(user(number)).await?;
                ensure!(found.is_some_and(|found| found.first_seen == NOW), "a user is lost");
            }
            Call::Newest => {
                let found = db.recent_chat(None, NEWEST).await?;
                ensure!(found.len() == 20 && found[0].message == MESSAGE, "lines are lost");
            }
            Call::Update => {
                ensure!(db.validate_api_token(token.to_owned(), NOW).await?, "a token is lost");
            }
            Call::Transaction => transaction(db).await?,
        }
    }
    Ok(())
}

async fn transaction(db: &Db) -> anyhow::Result<()> {
    let work = db.transaction(|conn| {
        async move {
            for number in 0..TEN {
                conn.user_chat_message(user(number), MESSAGE.to_owned(), NOW).await?;
            }
            Ok(())
        }
        .boxed()
    });
    Ok(work.await?)
}
