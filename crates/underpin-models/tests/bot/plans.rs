//! What is asked often finds its rows by an index, in the order in which they are wanted.

use std::sync::{Arc, Mutex};

use diesel::{
    connection::{Instrumentation, InstrumentationEvent},
    sql_types::{Integer, Text},
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use futures_util::FutureExt as _;
use rstest::rstest;
use underpin_db::{DbConn, Dialect, Rows, Work};
use underpin_models::bot::{
    ApiTokenRepository as _, OutboundRepository as _, RecentChatRepository as _,
    SessionRepository as _, UnsentFilter, UserCountRepository as _, UserStatsRepository as _,
};

use crate::{Bot, NOW, on_head};

fn tell(conn: &mut DbConn, listener: impl Instrumentation) {
    match conn {
        DbConn::Postgres(conn) => conn.set_instrumentation(listener),
        DbConn::Sqlite(conn) => conn.set_instrumentation(listener),
    }
}

/// The last statement that `work` sends, as text.
async fn statement<T: Send + 'static>(bot: &Bot, work: impl Work<T>) -> String {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&statements);
    let listen = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            heard.lock().unwrap().push(query.to_string());
        }
    };
    let listened = bot.db.transaction(move |conn| {
        async move {
            tell(conn, listen);
            let result = work(conn).await.map(drop);
            tell(conn, |_: InstrumentationEvent<'_>| ());
            result
        }
        .boxed()
    });
    listened.await.unwrap();
    let last = statements.lock().unwrap().pop().unwrap();
    let Some((text, values)) = last.split_once(" -- binds: ") else { return last };
    let values = values.trim_matches(['[', ']']).replace('"', "'").replace("None", "NULL");
    let places = (1..).zip(values.split(", ")).collect::<Vec<(usize, &str)>>();
    // SQLite takes a value without a name for NULL; PostgreSQL wants to know its type.
    places
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (place, value)| text.replace(&format!("${place}"), value))
}

/// How the database would go about the last statement of `work`.
async fn plan<T: Send + 'static>(bot: &Bot, work: impl Work<T>) -> String {
    let statement = statement(bot, work).await;
    let steps = match bot.on.dialect() {
        Dialect::Postgres => bot.on.texts(&format!("EXPLAIN (COSTS OFF) {statement}")),
        Dialect::Sqlite => {
            let explain = format!("EXPLAIN QUERY PLAN {statement}");
            let explained = bot.db.read(Rows::Many, move |conn| {
                async move {
                    let DbConn::Sqlite(conn) = conn else { unreachable!("this is SQLite") };
                    let query = diesel::dsl::sql::<(Integer, Integer, Integer, Text)>(&explain);
                    Ok(query.load::<(i32, i32, i32, String)>(conn).await?)
                }
                .boxed()
            });
            explained.await.unwrap().into_iter().map(|(_, _, _, step)| step).collect()
        }
    };
    format!("{statement}\n{}", steps.join("\n"))
}

/// Rows enough that an index is worth it.
fn fill(bot: &Bot) {
    let numbers = match bot.on.dialect() {
        Dialect::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        }
        Dialect::Postgres => "WITH n (i) AS (SELECT generate_series(1, 5000))",
    };
    for insert in [
        "INSERT INTO recent_chat (timestamp, username, message) {} SELECT i, 'u', 'm' FROM n",
        "INSERT INTO user_count_history (timestamp, chat_users, connected_users) {} SELECT i, 1, 1 FROM n",
        "INSERT INTO user_stats (username, first_seen, last_seen) {} SELECT 'u' || i, 1, i FROM n",
        "INSERT INTO outbound_messages (timestamp, message, sent) {} SELECT i, 'm', i % 100 <> 0 FROM n",
        "INSERT INTO api_tokens (token_hash, preview, created_at) {} SELECT 'sha256:' || i, 'p', i FROM n",
    ] {
        bot.on.batch(&insert.replace("{}", numbers));
    }
    bot.on.batch("ANALYZE");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_asked_often_goes_by_an_index(#[case] dialect: Dialect) {
    on_head(dialect, async |bot| {
        fill(&bot);
        let unsent = UnsentFilter::default();
        let plans = [
            plan(&bot, move |conn| conn.unsent_outbound_messages(unsent, NOW).boxed()).await,
            plan(&bot, |conn| conn.recent_chat(None, 20).boxed()).await,
            plan(&bot, |conn| conn.recent_chat(Some(9), 20).boxed()).await,
            plan(&bot, |conn| conn.delete_chat_before(9).boxed()).await,
            plan(&bot, |conn| conn.user_count_history(4_990).boxed()).await,
            plan(&bot, |conn| conn.delete_user_counts_before(9).boxed()).await,
            plan(&bot, |conn| conn.last_sign_of_life().boxed()).await,
            plan(&bot, |conn| conn.validate_api_token("t".to_owned(), NOW).boxed()).await,
            plan(&bot, |conn| conn.user_stats("u".to_owned()).boxed()).await,
            plan(&bot, |conn| conn.count_chat_line("u".to_owned(), NOW).boxed()).await,
            plan(&bot, |conn| conn.user_left("u".to_owned(), NOW).boxed()).await,
        ];

        for plan in plans {
            let (_, steps) = plan.split_once('\n').unwrap();
            for whole in ["Seq Scan", "SCAN ", "USE TEMP B-TREE"] {
                assert!(!steps.contains(whole), "{plan}");
            }
            assert!(steps.contains("Index") || steps.contains("SEARCH"), "{plan}");
        }
    });
}
