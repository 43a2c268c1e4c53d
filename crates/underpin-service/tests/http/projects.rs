//! `/projects` and `/projects/{id}`.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    service::{Answer, Service},
    window::Window,
};

/// Names that are attacks.
const HOSTILE: &str = "<script>document.title='hacked'</script>";

fn post(service: &Service, path: &str, body: &Value) -> Value {
    let json = [("Content-Type", "application/json")];
    let answer = service.send("POST", path, &json, &body.to_string());
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()
}

fn create(service: &Service, name: &str) -> i64 {
    let new = json!({ "name": name, "description": HOSTILE, "root_path": HOSTILE });
    post(service, "/api/v1/projects", &new)["id"].as_i64().unwrap()
}

fn task(service: &Service, project: i64, title: &str) -> i64 {
    let path = format!("/api/v1/projects/{project}/tasks");
    post(service, &path, &json!({ "title": title }))["id"].as_i64().unwrap()
}

/// That a page is one of ours, and that nothing in it does what it should not.
fn is_safe(answer: &Answer) {
    let page = &answer.body;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(
        !page.contains("style=") && !page.contains("onload") && !page.contains("<b>"),
        "{page}"
    );
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'; style-src 'sha256-",
        "; script-src 'sha256-",
        "; connect-src 'self'; ",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn projects_are_listed_a_hundred_to_a_page(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let empty = service.get("/projects");
    assert!(empty.body.contains("There are no projects."), "{}", empty.body);
    is_safe(&empty);
    let rows = (1..=101).map(|one| {
        let (state, problem) = match one {
            2 => ("FAILED", "'disk <b>full</b>'"),
            3 => ("ARCHIVED", "NULL"),
            4 => ("CREATING", "NULL"),
            _ => ("READY", "NULL"),
        };
        let name = if one == 1 { HOSTILE.replace('\'', "''") } else { format!("project {one}") };
        format!("('{name}', 't', '{state}', '20261121100000', {problem}, '2026-11-21 09:14:00')")
    });
    service.db.batch(&format!(
        "INSERT INTO registered_projects (name, target, state, head, problem, created_at) VALUES {}",
        rows.collect::<Vec<_>>().join(", ")
    ));

    let first = service.get("/projects");
    let second = service.get("/projects?after=100");

    for answer in [&first, &second] {
        assert_eq!(answer.status, 200);
        is_safe(answer);
    }
    for text in [
        "&lt;script&gt;document.title='hacked'&lt;/script&gt;",
        "disk &lt;b&gt;full&lt;/b&gt;",
        "<a href=\"/projects/100\">",
        "href=\"/projects?after=100\"",
        "20261121100000",
        "21 Nov 2026, 09:14",
        "<span class=\"pill good\">ready</span>",
        "<span class=\"pill bad\">failed</span>",
        "<span class=\"pill warn\">creating</span>",
        ">archived</span>",
        "data-socket=\"/ws\"",
    ] {
        assert!(first.body.contains(text), "{text}: {}", first.body);
    }
    assert!(!first.body.contains("/projects/101\""), "{}", first.body);
    assert_eq!(second.body.matches("<tr>").count(), 2, "{}", second.body);
    assert!(second.body.contains("/projects/101\"") && second.body.contains("First projects"));
    assert!(!second.body.contains("Next projects"));
    assert!(service.get("/projects?after=101").body.contains("There are no more projects."));
    assert!(service.get("/").body.contains("<a href=\"/projects\">"));
    for wrong in ["/projects?after=x", "/projects?after=", "/projects?page=2"] {
        assert_eq!(service.get(wrong).status, 404, "{wrong}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_shows_its_tasks_by_status(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let id = create(&service, HOSTILE);
    for one in 1..=52 {
        task(&service, id, &format!("{one}: {HOSTILE}"));
    }
    let approve = format!("/api/v1/projects/{id}/tasks/1/approve");
    post(&service, &approve, &json!({}));
    post(&service, &format!("/api/v1/projects/{id}/control/pause"), &json!({}));

    let answer = service.get(&format!("/projects/{id}"));

    let page = &answer.body;
    assert_eq!(answer.status, 200);
    is_safe(&answer);
    let columns: Vec<_> = page
        .split("<section class=\"column ")
        .skip(1)
        .map(|column| column.split('"').next().unwrap())
        .collect();
    let machine = [
        "pending",
        "in_progress",
        "awaiting_approval",
        "approved",
        "rejected",
        "completed",
        "cancelled",
    ];
    assert_eq!(columns, machine);
    for text in [
        "<h2>pending<data>51</data></h2>",
        "<p>and 1 more</p>",
        "<h2>approved<data>1</data></h2>",
        "<bdi>1: &lt;script&gt;document.title='hacked'&lt;/script&gt;</bdi>",
        "<h1><bdi>&lt;script&gt;",
        "<span class=\"pill warn\">paused</span>",
        "execution paused",
        "data-number=\"55\"",
        &format!("data-events=\"/api/v1/projects/{id}/events\""),
        "task_status_changed",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert_eq!(page.matches("<bdi>").count(), 1 + 1 + 51, "name, description and 51 cards");
    assert_eq!(page.matches("<li><data>").count(), 20);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_cannot_be_read_says_so(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let (gone, archived) = (create(&service, "gone"), create(&service, "archived"));
    let deleted = service.send("DELETE", &format!("/api/v1/projects/{archived}"), &[], "");
    assert_eq!(deleted.status, 200, "{deleted:?}");
    service
        .db
        .batch(&format!("UPDATE registered_projects SET state = 'CREATING' WHERE id = {gone}"));

    for (id, state) in [(archived, "archived"), (gone, "creating")] {
        let answer = service.get(&format!("/projects/{id}"));
        assert_eq!(answer.status, 200);
        is_safe(&answer);
        assert!(answer.body.contains(&format!("{state}</span>")), "{}", answer.body);
        assert!(answer.body.contains("cannot be read") && !answer.body.contains("data-events"));
    }
    for unknown in
        ["/projects/7", "/projects/x", "/projects/-1", "/projects/%FF", "/projects/99999999999"]
    {
        let answer = service.get(unknown);
        assert_eq!(answer.status, 404, "{unknown}");
        is_safe(&answer);
        assert!(answer.body.contains("There is no such project."), "{}", answer.body);
    }
    service.db.batch("DROP TABLE registered_projects");
    for page in ["/projects", "/projects/1"] {
        let answer = service.get(page);
        assert_eq!(answer.status, 503, "{page}");
        assert!(!answer.body.contains("registered_projects"), "{}", answer.body);
    }
    assert!(service.log().contains("the page lacks the projects: "));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_board_in_a_browser_follows_what_happens(#[case] dialect: Dialect) {
    let mut service = Service::start(dialect);
    let id = create(&service, HOSTILE);
    task(&service, id, "lay the ground");
    let mut window = Window::open(&service, &format!("/projects/{id}"));
    let has = |text: &str| format!("document.querySelector('main').innerText.includes('{text}')");
    window.wait_for(&has("lay the ground"));
    window.value("window.marker = 'the same window'");
    // The style sheets count, and the name that is a script did not run.
    assert_eq!(window.value("getComputedStyle(document.body).maxWidth"), "1120px");
    let edge = "getComputedStyle(document.querySelector('.column')).borderTopWidth";
    assert_eq!(window.value(edge), "3px");
    assert!(window.value("document.title").as_str().unwrap().starts_with("<script>"));

    task(&service, id, "put up the walls");
    window.wait_for(&has("put up the walls"));
    post(&service, &format!("/api/v1/projects/{id}/tasks/1/approve"), &json!({}));
    window.wait_for("document.querySelector('.approved').innerText.includes('lay the ground')");

    // It goes on after the service was away.
    let db = std::sync::Arc::clone(&service.db);
    let address = service.address.clone();
    service.stop();
    let service = Service::on(&db, &[("HTTP_ADDR", &address)]);
    task(&service, id, "and a roof");
    window.wait_for(&has("and a roof"));
    assert_eq!(window.value("window.marker"), "the same window");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_list_in_a_browser_follows_what_happens(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    create(&service, "first");
    let mut window = Window::open(&service, "/projects");
    let has = |text: &str| format!("document.querySelector('main').innerText.includes('{text}')");
    window.wait_for(&has("first"));
    window.value("window.marker = 'the same window'");

    create(&service, "second");

    window.wait_for(&has("second"));
    assert_eq!(window.value("window.marker"), "the same window");
}
