//! A window of a real browser that stays open, and what is in it.

use std::{
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client::client};

use crate::{browser::browser, service::Service};

/// How long something may take that is to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A window; closed when it is dropped.
pub(crate) struct Window {
    process: Child,
    socket: WebSocket<TcpStream>,
    asked: u64,
}

impl Window {
    /// Opens `path` of the service.
    pub(crate) fn open(service: &Service, path: &str) -> Self {
        let profile = service.db.dir().join("window");
        let url = format!("{}{path}", service.url().trim_end_matches('/'));
        let process = browser()
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
            ])
            .args([&format!("--user-data-dir={}", profile.display()), &url])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = within(|| {
            let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            text.lines().next()?.parse::<u16>().ok()
        });
        let target = within(|| page(port));
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = client(target.as_str(), stream).unwrap();
        Self { process, socket, asked: 0 }
    }

    /// What `expression` is in the window.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        self.asked += 1;
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let question =
            json!({ "id": self.asked, "method": "Runtime.evaluate", "params": parameters });
        self.socket.send(Message::text(question.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.asked {
                return answer["result"]["result"]["value"].clone();
            }
        }
    }

    /// Waits until `expression` is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let started = Instant::now();
        while self.value(expression) != json!(true) {
            let seen = self.value("document.body.innerText");
            assert!(started.elapsed() < PATIENCE, "{expression}: {seen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Where the page of the browser at `port` is reached.
fn page(port: u16) -> Option<String> {
    use std::io::{Read as _, Write as _};

    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let request =
        format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    // The browser may keep the connection open: what came is enough.
    drop(stream.read_to_string(&mut answer));
    let list: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    let page = list.as_array()?.iter().find(|one| one["type"] == "page")?;
    Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
}

fn within<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "the browser does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
}
