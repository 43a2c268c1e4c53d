//! The `bot` set: one file per table.

mod api_tokens;
mod bot_recovered_values;
mod channel_stats;
mod current_status;
mod outbound_messages;
mod recent_chat;
pub mod schema;
mod user_actions;
mod user_count_history;
mod user_stats;

pub use api_tokens::ApiToken;
pub use bot_recovered_values::RecoveredValue;
pub use channel_stats::ChannelStats;
pub use current_status::CurrentStatus;
pub use outbound_messages::OutboundMessage;
pub use recent_chat::ChatLine;
pub use user_actions::UserAction;
pub use user_count_history::UserCount;
pub use user_stats::UserStats;
