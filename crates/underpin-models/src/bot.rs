//! The `bot` set: one file per table.

mod api_tokens;
mod bot_recovered_values;
mod channel_stats;
mod counters;
mod current_status;
mod dead_letters;
mod event_positions;
mod job_runs;
mod outbound_messages;
mod recent_chat;
pub mod schema;
mod sessions;
mod traces;
mod user_actions;
mod user_count_history;
mod user_stats;

pub use api_tokens::{ApiToken, ApiTokenRepository};
pub use bot_recovered_values::RecoveredValue;
pub use channel_stats::{ChannelStats, ChannelStatsRepository};
pub use current_status::{CurrentStatus, CurrentStatusRepository, StatusUpdate};
pub use dead_letters::{DeadLetter, DeadLetterOutcome, DeadLetterRepository, PutAside};
pub use event_positions::{EventPosition, EventPositionRepository};
pub use job_runs::{JobRun, JobRunRepository};
pub use outbound_messages::{
    MAX_RETRIES, OutboundMessage, OutboundRepository, OutboundState, UnsentFilter,
};
pub use recent_chat::{ChatLine, RecentChatRepository};
pub use sessions::SessionRepository;
pub use traces::TraceRepository;
pub use user_actions::{UserAction, UserActionRepository};
pub use user_count_history::{UserCount, UserCountRepository};
pub use user_stats::{UserStats, UserStatsRepository};
