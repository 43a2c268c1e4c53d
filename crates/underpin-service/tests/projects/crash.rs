//! The service is killed while it makes projects: what is ready works, and what is not is not
//! served.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::api::Api;

/// Asks for one project after the other until the service is gone, and counts those that were
/// acknowledged. Gives the names that it asked for, and the numbers of those.
fn ask_until_it_dies(
    api: &Api,
    round: usize,
    maker: usize,
    count: &AtomicUsize,
) -> (Vec<String>, Vec<i64>) {
    let (mut asked, mut made) = (Vec::new(), Vec::new());
    loop {
        let name = format!("{round} {maker} {}", asked.len());
        let body = json!({ "name": name }).to_string();
        let request = format!(
            "POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        asked.push(name);
        match api.service.try_raw(request.as_bytes()) {
            Some(answer) => {
                assert_eq!(answer.status, 201, "{answer:?}");
                made.push(answer.json()["id"].as_i64().unwrap());
                count.fetch_add(1, Ordering::Relaxed);
            }
            None => return (asked, made),
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn no_half_made_project_is_served(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let (mut known, mut asked, mut acknowledged) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());

    for round in 0..4 {
        let count = AtomicUsize::new(0);
        let asked_now = thread::scope(|scope| {
            let (api, count) = (&api, &count);
            let ask = |maker| scope.spawn(move || ask_until_it_dies(api, round, maker, count));
            let makers: Vec<_> = (0..3).map(ask).collect();
            while count.load(Ordering::Relaxed) < 2 {
                thread::sleep(Duration::from_millis(1));
            }
            // Each time a little later, so that it dies in another step.
            thread::sleep(Duration::from_millis(17 * u64::try_from(round).unwrap()));
            api.service.die();
            makers.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        for (names, made) in asked_now {
            asked.extend(names);
            // No number is given twice, whoever died over it.
            for id in made {
                assert!(!known.contains(&id) && acknowledged.insert(id), "{id}");
            }
        }
        api.service.restart(&["--migrate"]);
        let listed = api.seen("/projects?limit=1000");
        known.extend(listed.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()));
    }

    let listed = api.seen("/projects?limit=1000");
    let mut ready = BTreeSet::new();
    for project in listed.as_array().unwrap() {
        let (id, state) = (project["id"].as_i64().unwrap(), project["state"].as_str().unwrap());
        let name = project["name"].as_str().unwrap();
        assert!(asked.contains(name), "{project}");
        let answer = api.post(&format!("/projects/{id}/tasks"), &json!({ "title": name }));
        if state == "ready" {
            ready.insert(id);
            assert_eq!((answer.status, &answer.json()["id"]), (201, &json!(1)), "{answer:?}");
            assert_eq!(api.seen(&format!("/projects/{id}"))["name"], name);
            let last = api.seen(&format!("/projects/{id}"))["last_event"].clone();
            assert_eq!(last, 2);
        } else {
            assert_eq!(state, "creating");
            let detail = format!("project {id} is creating: expected one that is ready");
            answer.refuses(409, &detail);
            // Its name is taken until it is repaired.
            assert_eq!(api.post("/projects", &json!({ "name": name })).status, 409);
        }
    }
    assert!(acknowledged.is_subset(&ready), "{acknowledged:?} {ready:?}");
    assert!(known.last().is_none_or(|last| api.project("after all") > *last));
}
