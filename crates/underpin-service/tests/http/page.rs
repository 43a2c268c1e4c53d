//! `/`: the page, as text.

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::service::{Service, now};

/// An evening of a busy channel, and a user whose name is an attack.
pub(crate) fn evening(service: &Service) {
    let now = now();
    let status = format!(
        "UPDATE current_status SET bot_name = 'Rosey', bot_connected = true, bot_afk = true, \
         channel_name = 'Saturday Night Cinema', current_chat_users = 23, \
         current_connected_users = 31, playlist_items = 1470, \
         current_media_title = 'Dr. <b>Caligari</b> & \"friends\"', current_media_duration = 4620, \
         bot_start_time = {}, last_updated = {now}, status = 'online'",
        now - 93_000
    );
    let marks = format!(
        "DELETE FROM channel_stats; INSERT INTO channel_stats (id, max_users, max_users_timestamp, \
         max_connected, max_connected_timestamp, last_updated) VALUES (1, 58, {now}, 71, {now}, {now})"
    );
    let names = ["Quimby", "<script>document.title=\"hacked\"</script>", "größenwahn", "дмитрий"];
    let users = names.iter().zip([18_200, 9_100, 4_550, 12]);
    let users: Vec<_> =
        users.map(|(name, lines)| format!("('{name}', 1, 2, {lines}, 0)")).collect();
    let counts = (0..288).map(|step| {
        let chat = 20 + 15 * (step % 48) / 48;
        format!("({}, {chat}, {})", now - 300 * step, chat + 7)
    });
    let counts: Vec<_> = counts.collect();
    let messages = format!(
        "INSERT INTO outbound_messages (timestamp, message, sent, retry_count, failed_at) VALUES \
         ({now}, 'a', false, 0, NULL), ({now}, 'b', true, 0, NULL), ({now}, 'c', true, 0, NULL), \
         ({now}, 'd', false, 1, {now})"
    );
    let jobs = format!(
        "DELETE FROM job_runs; INSERT INTO job_runs (job, last_run) VALUES ('retention', {}), \
         ('optimize', {})",
        now - 200,
        now - 4 * 3_600
    );
    service.db.batch(&format!(
        "{status}; {marks}; {messages}; {jobs};
         INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines, \
         total_time_connected) VALUES {};
         INSERT INTO user_count_history (timestamp, chat_users, connected_users) VALUES {}",
        users.join(", "),
        counts.join(", ")
    ));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_page_shows_everything_and_escapes_it(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    evening(&service);

    let answer = service.get("/");

    let page = &answer.body;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    for text in [
        "<title>Saturday Night Cinema — status</title>",
        "<meta http-equiv=\"refresh\" content=\"30\">",
        "Dr. &lt;b&gt;Caligari&lt;/b&gt; &amp; &quot;friends&quot;",
        "&lt;script&gt;document.title=&quot;hacked&quot;&lt;/script&gt;",
        "<strong>23</strong>",
        "<strong>31</strong>",
        "peak 58",
        "peak 71",
        "1:17:00",
        ", away",
        "1\u{202f}470 in the playlist",
        "up for 25 h",
        "bot online",
        "schema up to date",
        "18\u{202f}200",
        "größenwahn",
        "дмитрий",
        dialect.as_str(),
        "aria-label=\"Users in the last 24 hours, at most 41\"",
        "in chat, ",
        "3 min ago",
        "4 h ago",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(
        !page.contains("<script") && !page.contains("<b>") && !page.contains("style="),
        "{page}"
    );
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_database_makes_a_page_too(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    let answer = service.get("/");

    assert_eq!(answer.status, 200);
    for text in [
        "Nobody counted users in the last 24 hours.",
        "Nobody has said anything yet.",
        "Nothing",
        "bot offline",
    ] {
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_page_tells_when_the_bot_is_silent_or_the_schema_behind(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    evening(&service);
    service.db.batch(&format!("UPDATE current_status SET last_updated = {}", now() - 600));
    service.db.batch(
        "DELETE FROM __diesel_schema_migrations WHERE version = \
         (SELECT max(version) FROM __diesel_schema_migrations)",
    );

    let page = service.get("/").body;

    assert!(page.contains("bot silent for 10 min"), "{page}");
    assert!(page.contains("schema behind"), "{page}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_table_that_is_gone_leaves_the_rest_of_the_page(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    service.db.batch("DROP TABLE user_stats");

    let answer = service.get("/");

    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("The database does not tell"), "{}", answer.body);
    assert!(answer.body.contains("Messages to say") && !answer.body.contains("user_stats"));
    assert!(service.log().contains("the page lacks what the bot told: "));
}
