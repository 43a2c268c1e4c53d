//! The same statements through tokio-postgres, prepared once, on one connection.

use std::sync::Arc;

use anyhow::ensure;
use tokio_postgres::{NoTls, Statement};

use super::{Call, NEWEST, TEN};
use crate::database::{MESSAGE, NOW, user};

pub(super) type Client = Arc<Prepared>;

pub(super) struct Prepared {
    client: tokio_postgres::Client,
    insert: Statement,
    count: Statement,
    select: Statement,
    newest: Statement,
    update: Statement,
    token_hash: String,
}

pub(super) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let insert = "INSERT INTO recent_chat (timestamp, username, message) VALUES ($1, $2, $3)";
    let count = "UPDATE user_stats SET total_chat_lines = total_chat_lines + 1, last_seen = $1 \
                 WHERE username = $2";
    let select = "SELECT username, first_seen, last_seen, total_chat_lines, \
                  total_time_connected, current_session_start FROM user_stats \
                  WHERE username = $1 LIMIT 1";
    let newest = "SELECT id, timestamp, username, message FROM recent_chat \
                  WHERE timestamp >= $1 ORDER BY timestamp DESC, id DESC LIMIT $2";
    let update = "UPDATE api_tokens SET last_used = $1 WHERE token_hash = $2 AND is_active";
    let token_hash = client.query_one("SELECT token_hash FROM api_tokens", &[]).await?.get(0);
    Ok(Arc::new(Prepared {
        insert: client.prepare(insert).await?,
        count: client.prepare(count).await?,
        select: client.prepare(select).await?,
        newest: client.prepare(newest).await?,
        update: client.prepare(update).await?,
        token_hash,
        client,
    }))
}

pub(super) async fn turn(with: &Prepared, call: Call, count: usize) -> anyhow::Result<()> {
    for number in 0..count {
        match call {
            Call::Insert => insert(with, number).await?,
            Call::Select => {
                let row = with.client.query_one(&with.select, &[&user(number)]).await?;
                let found: (String, i64, i64, i64, i64, Option<i64>) =
                    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5));
                ensure!(found.1 == NOW, "a user is lost");
            }
            Call::Newest => {
                let rows = with.client.query(&with.newest, &[&i64::MIN, &NEWEST]).await?;
                let lines = rows.iter().rev();
                let lines = lines.map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)));
                let found: Vec<(i64, i64, String, String)> = lines.collect();
                ensure!(found.len() == 20 && found[0].3 == MESSAGE, "lines are lost");
            }
            Call::Update => {
                let changed = with.client.execute(&with.update, &[&NOW, &with.token_hash]).await?;
                ensure!(changed == 1, "a token is lost");
            }
            Call::Transaction => transaction(with).await?,
        }
    }
    Ok(())
}

async fn insert(with: &Prepared, number: usize) -> Result<(), tokio_postgres::Error> {
    with.client.execute(&with.insert, &[&NOW, &user(number), &MESSAGE]).await.map(drop)
}

async fn transaction(with: &Prepared) -> Result<(), tokio_postgres::Error> {
    with.client.batch_execute("BEGIN").await?;
    for number in 0..TEN {
        with.client.execute(&with.count, &[&NOW, &user(number)]).await?;
        insert(with, number).await?;
    }
    with.client.batch_execute("COMMIT").await
}
