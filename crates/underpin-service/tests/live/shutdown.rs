//! The end of the service.

use std::time::Duration;

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{
    client::{Socket, Stream, eventually},
    elsewhere::{Elsewhere, now},
    service::Service,
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn those_who_listen_do_not_keep_it_from_ending(#[case] dialect: Dialect) {
    let mut service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let sockets =
        [Socket::open(&service, "/ws"), Socket::open(&service, &format!("/ws/projects/{id}"))];
    let mut stream = Stream::open(&service, id, "?after=0", None);
    assert_eq!(stream.numbers(1), [1]);
    let metrics = service.get("/metrics").body;
    for kind in ["all", "project", "stream"] {
        let line = format!("underpin_event_subscribers{{kind=\"{kind}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let ends = sockets.map(|socket| std::thread::spawn(move || socket.rest()));

    let (code, time) = service.stop();

    assert_eq!(code, Some(0));
    assert!(time < Duration::from_secs(4), "{time:?}");
    for end in ends {
        let (texts, end) = end.join().unwrap();
        assert_eq!((texts, u16::from(end.unwrap().code)), (0, 1001));
    }
    assert_eq!(stream.rest(), "");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn those_who_do_not_even_read_do_not_either(#[case] dialect: Dialect) {
    let mut service = Service::start(dialect);
    let _deaf = Socket::open(&service, "/ws");

    let (code, time) = service.stop();

    assert_eq!(code, Some(0));
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_is_put_aside_has_no_more_listeners(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[("PROJECT_IDLE_SECONDS", "1")]);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let mut socket = Socket::open(&service, &format!("/ws/projects/{id}"));
    let mut stream = Stream::open(&service, id, "?after=0", None);
    assert_eq!(stream.numbers(1), [1]);
    socket.say("ping");
    assert_eq!(socket.text(), "pong");

    match dialect {
        // Where another process has the file open, it cannot be moved: the registry alone says so.
        Dialect::Sqlite => {
            service.db.batch(&format!(
                "UPDATE registered_projects SET state = 'ARCHIVED' WHERE id = {id}"
            ));
        }
        Dialect::Postgres => elsewhere.run(elsewhere.projects.archive(id, now())).unwrap(),
    }

    let (texts, end) = socket.rest();
    assert_eq!((texts, u16::from(end.unwrap().code)), (0, 1001));
    assert_eq!(stream.rest(), "");
    eventually("nobody listens", || {
        let metrics = service.get("/metrics").body;
        metrics.contains("underpin_event_subscribers{kind=\"stream\"} 0")
    });
}
