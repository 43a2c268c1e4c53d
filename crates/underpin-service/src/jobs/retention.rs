//! Deletes what has been kept long enough.

use std::time::Duration;

use underpin_db::Db;
use underpin_models::bot::{
    ApiTokenRepository as _, OutboundRepository as _, RecentChatRepository as _,
    UserCountRepository as _,
};
use underpin_projects::{ProjectError, Projects};

use super::{Settings, before, events};

/// Says what was deleted.
pub(super) async fn run(
    settings: &Settings,
    db: &Db,
    projects: &Projects,
    now: i64,
) -> Result<String, ProjectError> {
    let old = |period: Duration| (!period.is_zero()).then(|| before(now, period));
    let mut deleted = Vec::new();
    if let Some(before) = old(settings.user_counts) {
        deleted.push((db.delete_user_counts_before(before).await?, "user counts"));
    }
    if let Some(before) = old(settings.chat) {
        deleted.push((db.delete_chat_before(before).await?, "chat lines"));
    }
    if let Some(before) = old(settings.outbound) {
        deleted.push((db.delete_outbound_before(before).await?, "outbound messages"));
    }
    if let Some(before) = old(settings.revoked_tokens) {
        deleted.push((db.delete_tokens_revoked_before(before).await?, "revoked tokens"));
    }
    if !settings.events.is_zero() {
        deleted.push((events::delete_old(projects, settings.events, now).await?, "events"));
    }
    deleted.retain(|(number, _)| *number > 0);
    if deleted.is_empty() {
        return Ok("nothing is old enough to be deleted".to_owned());
    }
    let parts: Vec<_> = deleted.iter().map(|(number, what)| format!("{number} {what}")).collect();
    Ok(format!("deleted {}", parts.join(", ")))
}
