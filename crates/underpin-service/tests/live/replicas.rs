//! Several replicas: what one changes, those who listen to another hear.

use std::time::{Duration, Instant};

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
fn every_replica_tells_what_another_changed(#[case] dialect: Dialect) {
    let one = Service::start(dialect);
    let two = Service::on(&one.db, &[]);
    let elsewhere = Elsewhere::new(&one.db);
    let ids = [elsewhere.create("a"), elsewhere.create("b")];
    let mut sockets = [Socket::open(&one, "/ws"), Socket::open(&two, "/ws")];

    for id in ids {
        elsewhere.many(id, 4, 10);
    }

    for socket in &mut sockets {
        let started = Instant::now();
        let mut heard = socket.numbers(80);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        heard.sort_unstable();
        let of = |id: i32| (2..=41).map(move |number| (i64::from(id), number));
        assert_eq!(heard, ids.into_iter().flat_map(of).collect::<Vec<_>>());
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_any_replica_is_asked_for_all_of_them_tell(#[case] dialect: Dialect) {
    let one = Service::start(dialect);
    let two = Service::on(&one.db, &[]);
    let json = [("Content-Type", "application/json")];
    let post = |service: &Service, path: &str, body: &str| {
        let answer = service.send("POST", path, &json, body);
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    let mut sockets = [Socket::open(&one, "/ws"), Socket::open(&two, "/ws")];
    post(&one, "/api/v1/projects", r#"{"name":"one"}"#);
    let mut streams = [&one, &two].map(|service| Stream::open(service, 1, "?after=0", None));

    std::thread::scope(|scope| {
        for service in [&one, &two, &one, &two] {
            scope.spawn(move || {
                for _ in 0..20 {
                    post(service, "/api/v1/projects/1/tasks", r#"{"title":"t"}"#);
                }
            });
        }
    });

    let numbers: Vec<i64> = (1..=81).collect();
    for stream in &mut streams {
        assert_eq!(stream.numbers(81), numbers);
    }
    for socket in &mut sockets {
        let heard: Vec<_> = socket.numbers(81).into_iter().map(|(_, number)| number).collect();
        assert_eq!(heard, numbers);
        assert!(socket.is_silent(Duration::from_millis(1_500)));
    }
    // Nobody waits for another replica to hear of what was done here.
    let started = Instant::now();
    for number in 82..92 {
        post(&one, "/api/v1/projects/1/tasks", r#"{"title":"t"}"#);
        assert_eq!(sockets[0].numbers(1), [(1, number)]);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_a_replica_died_over_is_told_all_the_same(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let mut stream = Stream::open(&service, id, "", None);
    let mut of_one = Socket::open(&service, &format!("/ws/projects/{id}"));

    // Committed, and the registry never hears of it.
    elsewhere.tasks_untold(id, 2);
    assert_eq!(stream.numbers(2), [2, 3]);
    assert_eq!(of_one.numbers(2), [(id.into(), 2), (id.into(), 3)]);
    drop((stream, of_one));

    // Who listens to all projects hears it with the next change.
    let unknown = elsewhere.create("unknown");
    let mut all = Socket::open(&service, "/ws");
    elsewhere.tasks_untold(unknown, 2);
    assert!(all.is_silent(Duration::from_millis(2_500)));
    elsewhere.tasks(unknown, 1);
    assert_eq!(all.numbers(3), [2, 3, 4].map(|number| (i64::from(unknown), number)));
    // Or when somebody opens the project again.
    elsewhere.tasks_untold(unknown, 1);
    Elsewhere::new(&service.db).open(unknown);
    assert_eq!(all.numbers(1), [(i64::from(unknown), 5)]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_of_an_older_release_begins_where_it_was(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    elsewhere.tasks_untold(id, 5);
    service.db.batch(
        "UPDATE registered_projects SET events_before = NULL, last_event = NULL, change = NULL",
    );
    let mut all = Socket::open(&service, "/ws");

    Elsewhere::new(&service.db).tasks(id, 2);

    assert_eq!(all.numbers(2), [(id.into(), 7), (id.into(), 8)]);
    assert!(all.is_silent(Duration::from_secs(2)));
}
