//! The pages. `GET /`: how everything is, at a glance, without scripts.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{extract::State as Shared, http::StatusCode, response::Response};
use underpin_db::DbError;
use underpin_models::bot::{
    ChannelStats, ChannelStatsRepository as _, CurrentStatus, CurrentStatusRepository as _,
    JobRunRepository as _, UserCount, UserCountRepository as _, UserStatsRepository as _,
};

use super::{
    PATIENCE, State,
    health::{self, Health},
    metrics::{self, Outbound},
};
use crate::{clock, jobs};

mod chart;
mod format;
mod frame;
pub(super) mod projects;
mod view;

use frame::Kind;

/// The page and its status.
pub(super) type Page = (StatusCode, String);

/// How many of those who talk most are shown.
const TOP: i64 = 10;

/// The page of the bot has no script.
static KIND: LazyLock<Kind> = LazyLock::new(|| Kind::new("", None));

/// What the page shows.
struct View {
    /// Unix seconds.
    now: i64,
    /// `sqlite` or `postgres`.
    dialect: &'static str,
    health: Health,
    outbound: Outbound,
    /// Events that wait for the database, since then.
    waited: Option<Duration>,
    /// Events that wait for a person; `None` when the database does not give it.
    dead_letters: Option<i64>,
    /// `None` when the database does not give it.
    bot: Option<Bot>,
}

/// What the bot told.
struct Bot {
    status: Option<CurrentStatus>,
    marks: Option<ChannelStats>,
    users_seen: i64,
    /// Most first.
    chatters: Vec<(String, i64)>,
    /// Of the last 24 hours, oldest first.
    counts: Vec<UserCount>,
    /// Each job and when it last ran, in Unix seconds.
    jobs: Vec<(&'static str, Option<i64>)>,
}

/// The page; built once a second at most.
pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> Response {
    let (status, page) = state.page.get(Box::pin(build(&state))).await;
    KIND.answer(status, page)
}

async fn build(state: &State) -> Page {
    let now = clock::now();
    let bot = async { tokio::time::timeout(PATIENCE, bot(state, now)).await };
    let (health, outbound, dead_letters, bot) = tokio::join!(
        health::current(state),
        metrics::outbound(state),
        metrics::dead_letters(state),
        bot
    );
    let bot = match bot {
        Ok(Ok(bot)) => Some(bot),
        Ok(Err(error)) => {
            tracing::warn!("the page lacks what the bot told: {error}");
            None
        }
        Err(_) => None,
    };
    let status = if bot.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let dialect = state.config.database_url.dialect().as_str();
    let waited = state.waiting.get().map(|wait| wait.elapsed());
    let view = View { now, dialect, health, outbound, waited, dead_letters, bot };
    (status, view::page(&view).into_string())
}

async fn bot(state: &State, now: i64) -> Result<Bot, DbError> {
    let mut jobs = Vec::new();
    for job in jobs::NAMES {
        jobs.push((job, state.db.job_last_run(job.to_owned()).await?));
    }
    Ok(Bot {
        status: state.db.current_status().await?,
        marks: state.db.high_water_marks().await?,
        users_seen: state.db.total_users_seen().await?,
        chatters: state.db.top_chatters(TOP).await?,
        counts: state.db.user_count_history(now - chart::SECONDS).await?,
        jobs,
    })
}
