//! Whatever an event says, it is applied or refused with the reason, and a reason quotes nothing of it.
//!
//! The event comes from the dead letters, which are read and applied as those from NATS are.

#![no_main]

use std::cell::RefCell;

use diesel::{
    Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _,
    sql_query, sql_types::Text,
};
use libfuzzer_sys::fuzz_target;
use underpin_fuzz::{SECRET, service, status};

/// What an event says that nobody but its reader should see.
const PRIVATE: &str = "canary-of-the-event";

/// Subjects of events, and one that nobody knows.
const SUBJECTS: [&str; 10] = [
    "user.joined",
    "user.left",
    "message.log",
    "stats.user_count",
    "stats.high_water",
    "status.update",
    "messages.outbound.mark_sent",
    "messages.outbound.mark_failed",
    "action.pm_command",
    "nothing",
];

thread_local! {
    static CONNECTION: RefCell<SqliteConnection> = RefCell::new({
        let file = service().database.display().to_string();
        let mut conn = SqliteConnection::establish(&file).expect("the service's file");
        conn.batch_execute("PRAGMA busy_timeout = 5000").expect("a limit of time");
        conn
    });
}

const LETTER: &str = "INSERT OR REPLACE INTO dead_letters (id, stream, sequence, subject, payload, \
    happened_at, failed_at, reason) VALUES (1, 'fuzz', 1, ?, ?, 1700000000, 1700000000, 'fuzz')";

fuzz_target!(|event: (u8, &str)| {
    let (subject, payload) = event;
    let payload = payload.replace("PRIVATE", PRIVATE);
    CONNECTION.with_borrow_mut(|conn| {
        let letter =
            sql_query(LETTER).bind::<Text, _>(SUBJECTS[usize::from(subject) % SUBJECTS.len()]);
        letter.bind::<Text, _>(&payload).execute(conn).expect("a dead letter");
    });
    let body = r#"{"by":"fuzz"}"#;
    let request = format!(
        "POST /api/dead-letters/1/apply HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {SECRET}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = service().ask(request.as_bytes());
    // What was applied shows its event.
    let quotes = answer.windows(PRIVATE.len()).any(|part| part == PRIVATE.as_bytes());
    let fits = match status(&answer) {
        Some(200) => true,
        Some(400) => !quotes,
        _ => false,
    };
    assert!(fits, "{subject}, {payload:?}: {}", answer.escape_ascii());
});
