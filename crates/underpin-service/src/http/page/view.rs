//! The page itself.

use maud::{Markup, html};
use underpin_models::bot::{ChannelStats, CurrentStatus, OutboundState};

use super::{
    Bot, KIND, View, chart,
    format::{date, length, number, share, span},
    frame::{Follow, header},
};
use crate::clock;

/// Seconds after which the bot, which speaks every 10, counts as silent.
const SILENT: i64 = 120;

/// The whole page; it loads itself anew every 30 seconds.
pub(super) fn page(view: &View) -> Markup {
    let status = view.bot.as_ref().and_then(|bot| bot.status.as_ref());
    let channel = status.and_then(|status| status.channel_name.as_deref());
    let head = html! { meta http-equiv="refresh" content="30"; };
    let body = html! {
        (top(view, status, channel))
        main {
            @match &view.bot {
                Some(bot) => (bot_cards(bot, view.now)),
                None => section.card.wide.trouble {
                    h2 { "The database does not tell" }
                    p { "What the bot told cannot be read at the moment. The log says why." }
                },
            }
            (outbound(view))
            (schema(view))
        }
    };
    let title = format!("{} — status", channel.unwrap_or("Underpin"));
    KIND.page(&title, &head, &body, Follow::Nothing)
}

fn top(view: &View, status: Option<&CurrentStatus>, channel: Option<&str>) -> Markup {
    let (schema, word) = match view.health.reason {
        None => ("good", "schema up to date"),
        Some("schema_behind") => ("bad", "schema behind"),
        Some(_) => ("bad", "database unreachable"),
    };
    let line = html! { time { (date(view.now)) } " UTC" };
    let pills = html! {
        @if let Some(status) = status { (presence(status, view.now)) }
        @if let Some(waited) = view.waited {
            span.pill.bad { "events wait for " (span(clock::seconds(waited))) }
        }
        @if let Some(letters @ 1..) = view.dead_letters {
            span.pill.warn { (number(letters)) " dead letters" }
        }
        span.pill.(schema) { (word) }
    };
    header(channel.unwrap_or("Underpin"), &line, &pills)
}

/// Whether the bot is there, and whether that is news.
fn presence(status: &CurrentStatus, now: i64) -> Markup {
    let silence = now - status.last_updated;
    html! {
        @if status.bot_connected != Some(true) {
            span.pill { "bot offline" }
        } @else if silence > SILENT {
            span.pill.warn { "bot silent for " (span(silence)) }
        } @else {
            span.pill.good { "bot online" }
        }
    }
}

fn bot_cards(bot: &Bot, now: i64) -> Markup {
    html! {
        (playing(bot.status.as_ref(), now))
        (tiles(bot))
        section.card.wide {
            h2 { "Last 24 hours" }
            @match chart::chart(&bot.counts, now) {
                Some(chart) => {
                    p.legend {
                        span.key.chat { "in chat" } span.key.connected { "connected" }
                        small { "UTC" }
                    }
                    (chart)
                }
                None => p.empty { "Nobody counted users in the last 24 hours." },
            }
        }
        (chatters(&bot.chatters))
    }
}

fn playing(status: Option<&CurrentStatus>, now: i64) -> Markup {
    let title = status.and_then(|status| status.current_media_title.as_deref());
    let title = title.filter(|title| !title.is_empty());
    html! {
        section.card.playing {
            h2 { "Now playing" }
            @match title {
                Some(title) => p.title { bdi { (title) } },
                None => p.title.empty { "Nothing" },
            }
            @if let Some(status) = status {
                p.facts {
                    @if title.is_some() && let Some(duration) = status.current_media_duration {
                        span { (length(duration)) }
                    }
                    span { (number(status.playlist_items)) " in the playlist" }
                    @if let Some(name) = &status.bot_name {
                        span { "bot " bdi { (name) } @if status.bot_afk == Some(true) { ", away" } }
                    }
                    @if status.bot_connected == Some(true) && let Some(start) = status.bot_start_time {
                        span { "up for " (span(now - start)) }
                    }
                }
            }
        }
    }
}

fn tiles(bot: &Bot) -> Markup {
    let status = bot.status.as_ref();
    let marks = bot.marks.as_ref();
    let peak = |count: fn(&ChannelStats) -> i64, at: fn(&ChannelStats) -> Option<i64>| {
        (marks.map_or(0, count), marks.and_then(at))
    };
    let chat = peak(|marks| marks.max_users, |marks| marks.max_users_timestamp);
    let connected = peak(|marks| marks.max_connected, |marks| marks.max_connected_timestamp);
    html! {
        section.tiles {
            (tile("in chat", status.map(|status| status.current_chat_users), Some(chat)))
            (tile("connected", status.map(|status| status.current_connected_users), Some(connected)))
            (tile("users ever seen", Some(bot.users_seen), None))
        }
    }
}

/// A number, and the highest that it ever was.
fn tile(name: &str, value: Option<i64>, peak: Option<(i64, Option<i64>)>) -> Markup {
    html! {
        div.card.tile {
            strong { (value.map_or_else(|| "—".to_owned(), number)) }
            span { (name) }
            @if let Some((count, Some(at))) = peak {
                small title={ (date(at)) " UTC" } { "peak " (number(count)) }
            }
        }
    }
}

fn chatters(chatters: &[(String, i64)]) -> Markup {
    let most = chatters.first().map_or(1, |(_, lines)| *lines);
    html! {
        section.card.tall {
            h2 { "Top chatters" }
            @if chatters.is_empty() {
                p.empty { "Nobody has said anything yet." }
            } @else {
                ol.chatters {
                    @for (name, lines) in chatters {
                        li {
                            bdi title=(name) { (name) } data { (number(*lines)) }
                            svg.bar width="100%" height="6" aria-hidden="true" {
                                rect.rail width="100%" height="6" rx="3" {}
                                rect width=(share(*lines, most)) height="6" rx="3" {}
                            }
                        }
                    }
                }
            }
        }
    }
}

fn outbound(view: &View) -> Markup {
    let counts = view.outbound.as_deref().unwrap_or_default();
    let all: i64 = counts.iter().map(|(_, count)| count).sum();
    // Where each state's part of the bar begins.
    let starts = counts.iter().scan(0, |end, (_, count)| {
        *end += count;
        Some(*end - count)
    });
    html! {
        section.card {
            h2 { "Messages to say" }
            @if view.outbound.is_none() {
                p.empty { "The database does not answer." }
            } @else {
                svg.bar.stack width="100%" height="12" role="img" aria-label="Messages by state" {
                    rect.rail width="100%" height="12" {}
                    @for ((state, count), start) in counts.iter().zip(starts) {
                        rect class=(state.as_str()) x=(share(start, all)) width=(share(*count, all)) height="12" {}
                    }
                }
                dl {
                    @for (state, count) in counts {
                        dt { span.key.(state.as_str()) { (meaning(*state)) } }
                        dd { (number(*count)) }
                    }
                }
            }
        }
    }
}

fn meaning(state: OutboundState) -> &'static str {
    match state {
        OutboundState::Queued => "queued",
        OutboundState::Retrying => "failed once or twice, tried again",
        OutboundState::Sent => "sent",
        OutboundState::Failed => "failed for good",
        OutboundState::Abandoned => "abandoned",
    }
}

fn schema(view: &View) -> Markup {
    let health = &view.health;
    html! {
        section.card {
            h2 { "Schema" }
            dl {
                dt { "Dialect" } dd { (view.dialect) }
                dt { "Head" }
                dd { code { (health.applied_head.as_deref().unwrap_or("—")) } }
                dt { "Pending" }
                dd { (health.pending.map_or_else(|| "—".to_owned(), |pending| pending.to_string())) }
                dt { "Problems" } dd { (health.problems.len()) }
            }
            @for problem in &health.problems {
                p.problem { (problem) }
            }
            @if let Some(bot) = &view.bot {
                h2.next { "Jobs" }
                dl {
                    @for (job, last) in &bot.jobs {
                        dt { (job) }
                        dd {
                            @match last {
                                Some(last) => time title={ (date(*last)) " UTC" } {
                                    (span(view.now - last)) " ago"
                                },
                                None => "never",
                            }
                        }
                    }
                }
            }
        }
    }
}
