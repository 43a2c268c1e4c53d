//! WebSockets: of all projects, and of one.

use std::{thread::sleep, time::Duration};

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{
    client::{Socket, Stream},
    elsewhere::Elsewhere,
    service::Service,
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_socket_hears_all_projects_or_one(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let (one, other) = (elsewhere.create("one"), elsewhere.create("other"));
    elsewhere.tasks(one, 2);
    let mut all = Socket::open(&service, "/ws");
    let mut of_one = Socket::open(&service, &format!("/ws/projects/{one}"));

    elsewhere.tasks(other, 1);
    elsewhere.many(one, 4, 30);
    let third = elsewhere.create("third");
    elsewhere.tasks(third, 1);

    let mut heard = all.numbers(1 + 120 + 2);
    heard.sort_unstable();
    let numbers = |id: i32, from: i64, to: i64| (from..=to).map(move |n| (i64::from(id), n));
    let expected = numbers(one, 4, 123).chain(numbers(other, 2, 2)).chain(numbers(third, 1, 2));
    assert_eq!(heard, expected.collect::<Vec<_>>());
    assert_eq!(of_one.numbers(120), numbers(one, 4, 123).collect::<Vec<_>>());
    let silent = Duration::from_secs(2);
    assert!(all.is_silent(silent) && of_one.is_silent(silent));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_ping_is_answered_and_other_text_ignored(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");

    for path in ["/ws".to_owned(), format!("/ws/projects/{id}")] {
        let mut socket = Socket::open(&service, &path);
        for text in ["", "Ping", "ping ", "{\"ping\":1}", "ping"] {
            socket.say(text);
        }
        assert_eq!(socket.text(), "pong");
        assert!(socket.is_silent(Duration::from_millis(300)));
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn whoever_comes_in_the_middle_hears_the_rest_without_a_gap(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");

    let mut sockets = std::thread::scope(|scope| {
        scope.spawn(|| elsewhere.many(id, 4, 100));
        let join = |one: usize| {
            sleep(Duration::from_millis(50));
            let path =
                if one.is_multiple_of(2) { "/ws".to_owned() } else { format!("/ws/projects/{id}") };
            Socket::open(&service, &path)
        };
        (0..10).map(join).collect::<Vec<_>>()
    });
    elsewhere.tasks(id, 1);

    for socket in &mut sockets {
        let (_, first) = socket.numbers(1)[0];
        let rest: Vec<i64> =
            socket.numbers(usize::try_from(402 - first).unwrap()).iter().map(|one| one.1).collect();
        assert_eq!(rest, (first + 1..=402).collect::<Vec<_>>());
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn whoever_is_too_slow_for_all_projects_is_told_so(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let slow = Socket::open(&service, "/ws");
    let mut of_one = Socket::open(&service, &format!("/ws/projects/{id}"));
    let mut stream = Stream::open(&service, id, "", None);
    // More than what the task keeps, the system's buffers hold and the socket is given 30 s for.
    let (count, first) = (6_000, 2);
    let series = match dialect {
        Dialect::Sqlite => {
            "WITH RECURSIVE s(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < 6001) SELECT"
        }
        Dialect::Postgres => "SELECT",
    };
    let from = if dialect == Dialect::Postgres { "generate_series(2, 6001) AS s(n)" } else { "s" };
    let text = "x".repeat(4_000);
    elsewhere.batch(
        &service.db,
        id,
        &format!(
            "BEGIN; INSERT INTO events (project_id, number, event_type, data, created_at) {series} \
             {id}, n, 'task_updated', '{{\"text\":\"{text}\"}}', '2026-11-21 00:00:00' FROM {from}; \
             UPDATE projects SET last_event = 6001; COMMIT"
        ),
    );

    // Who reads the database again loses nothing, however slow.
    sleep(Duration::from_secs(3));
    let last = first + i64::try_from(count).unwrap() - 1;
    assert_eq!(stream.numbers(count), (first..=last).collect::<Vec<_>>());
    let heard: Vec<_> = of_one.numbers(count).into_iter().map(|one| one.1).collect();
    assert_eq!(heard, (first..=last).collect::<Vec<_>>());
    let (texts, end) = slow.rest();
    let end = end.unwrap();
    assert_eq!(u16::from(end.code), 1013, "{texts}");
    assert!(end.reason.as_str().starts_with("too slow: "), "{end:?}");
    assert!(texts < count, "{texts}");
}
