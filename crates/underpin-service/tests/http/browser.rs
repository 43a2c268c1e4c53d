//! `/` and `/docs` in a real browser.

use std::{
    collections::HashSet,
    fs::File,
    io::BufReader,
    path::Path,
    process::{Command, Output},
};

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::{page::evening, service::Service};

/// Chromium under the names that systems give it.
pub(crate) fn browser() -> Command {
    let chosen = std::env::var("CHROMIUM").ok().filter(|name| !name.is_empty());
    let usual = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let names = chosen.into_iter().chain(usual.map(str::to_owned));
    let works = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let Some(name) = names.into_iter().find(works) else {
        panic!(
            "no Chromium for the test of the page: install the package `chromium`, or name the \
             program in CHROMIUM; `scripts/test` does it for you"
        );
    };
    Command::new(name)
}

/// Opens `url`; `dir` is where the browser may write. It shows nothing but our own page, so it needs
/// no sandbox, which neither root nor most containers can have.
fn open(url: &str, dir: &Path, arguments: &[&str]) -> Output {
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    let output = browser()
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--hide-scrollbars", "--no-first-run", "--disable-background-networking"])
        .args([&profile, "--virtual-time-budget=5000"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What is on the page at `url`, once it was opened.
pub(crate) fn dom(url: &str, dir: &Path) -> String {
    String::from_utf8(open(url, dir, &["--dump-dom"]).stdout).unwrap()
}

/// The size of a picture, and how many colours it has.
fn picture(file: &Path) -> (u32, u32, usize) {
    let file = File::open(file).unwrap_or_else(|error| panic!("no picture was made: {error}"));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let colours: HashSet<_> = pixels.chunks(frame.color_type.samples()).collect();
    (frame.width, frame.height, colours.len())
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_page_looks_like_something_on_every_screen(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    evening(&service);

    for (name, width, height) in [("wide", 1_280, 1_100), ("phone", 390, 1_700)] {
        let file = service.db.dir().join(format!("{name}.png"));
        let shot = format!("--screenshot={}", file.display());
        let size = format!("--window-size={width},{height}");
        open(&service.url(), service.db.dir(), &[&shot, &size]);
        let (shot_width, shot_height, colours) = picture(&file);
        assert_eq!((shot_width, shot_height), (width, height), "{name}");
        // Text alone has a few dozen shades; tones, lines and the area make more.
        assert!(colours > 200, "{name}: {colours} colours");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_browser_reads_the_page_as_it_is_meant(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    evening(&service);

    let output = open(&service.url(), service.db.dir(), &["--dump-dom"]);

    let dom = String::from_utf8(output.stdout).unwrap();
    // The name that is a script stayed text: it did not run, so the title is still ours.
    assert!(dom.contains("<title>Saturday Night Cinema — status</title>"), "{dom}");
    assert!(dom.contains("&lt;script&gt;document.title"), "{dom}");
    assert!(!dom.contains("<script"), "{dom}");
    let count = |text: &str| dom.matches(text).count();
    assert_eq!((count("<path class=\"line "), count("class=\"card")), (2, 8), "{dom}");
    assert!(count("<rect class=\"hit\"") >= 140, "{dom}");
    for text in ["Quimby", "schema up to date", "bot online", "Messages to say", "Now playing"] {
        assert!(dom.contains(text), "{text}: {dom}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_viewer_shows_the_routes_without_a_network(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let url = format!("{}docs/", service.url());

    // Every name but the service's own address leads nowhere.
    let alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";
    let output = open(&url, service.db.dir(), &[alone, "--dump-dom"]);

    let dom = String::from_utf8(output.stdout).unwrap();
    for text in ["Queue something for the bot to say", "/api/history", "ADMIN_TOKEN"] {
        assert!(dom.contains(text), "{text}: {dom}");
    }
}
