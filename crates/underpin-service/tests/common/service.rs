//! The program on a database of its own, and a client that says exactly what a test wants said.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use underpin_testkit::{Dialect, TestDb};

/// The operator's secret in these tests.
pub(crate) const ADMIN: &str = "the operator's own secret";

/// Now, in Unix seconds.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A service that listens; killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
    /// What it said before it listened.
    pub(crate) start: String,
    log: Arc<Mutex<String>>,
    pub(crate) db: Arc<TestDb>,
    settings: Vec<(String, String)>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Service {
    /// On an empty database, brought up to date.
    pub(crate) fn start(dialect: Dialect) -> Self {
        Self::with(dialect, &[("ADMIN_TOKEN", ADMIN)])
    }

    /// With these settings besides.
    pub(crate) fn with(dialect: Dialect, settings: &[(&str, &str)]) -> Self {
        Self::on(&Arc::new(TestDb::new(dialect)), settings)
    }

    /// On a database that may have another service.
    pub(crate) fn on(db: &Arc<TestDb>, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self::run(Arc::clone(db), settings.collect(), &["--migrate"])
    }

    /// Kills it, and starts it anew on the same database with these arguments.
    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        self.kill();
        *self = Self::run(Arc::clone(&self.db), self.settings.clone(), arguments);
    }

    /// The most memory that it ever had, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// As [`Service::kill`], while others ask it.
    pub(crate) fn die(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    }

    /// As a crash ends it: nothing is finished.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn run(db: Arc<TestDb>, settings: Vec<(String, String)>, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_underpin-service"));
        command.env_clear().current_dir(db.dir()).args(arguments);
        command.env("DATABASE_URL", db.url()).env("HTTP_ADDR", "127.0.0.1:0");
        // Nothing is deleted for its age while a test looks at it.
        command.env("RETENTION_INTERVAL_SECONDS", "0").env("OPTIMIZE_INTERVAL_SECONDS", "0");
        command.envs(settings.iter().cloned());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut start = String::new();
        while !start.contains("listening on http://") {
            assert!(output.read_line(&mut start).unwrap() > 0, "it ended: {start}");
        }
        let address = start.rsplit_once("http://").unwrap().1;
        let address = address.split([':', ' ']).take(2).collect::<Vec<_>>().join(":");
        let address = address.replace("0.0.0.0", "127.0.0.1");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                *lines.lock().unwrap() += &(line + "\n");
            }
        });
        Self { process, address, start, log, db, settings }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Asks it to stop, and gives its exit code and how long that took.
    pub(crate) fn stop(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        (self.process.wait().unwrap().code(), started.elapsed())
    }

    /// What it logged since it listens.
    pub(crate) fn log(&self) -> String {
        // A line is on its way when the answer is.
        std::thread::sleep(Duration::from_millis(100));
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// As the operator.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let json = ("Content-Type", "application/json");
        self.send(method, path, &[("Authorization", &bearer), json], body)
    }

    /// A new token for `/api/say`.
    pub(crate) fn token(&self) -> String {
        let made = self.admin("POST", "/api/tokens", r#"{"description":"test"}"#);
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn say(&self, token: &str, body: &str) -> Answer {
        let headers = [("X-API-Token", token), ("Content-Type", "application/json")];
        self.send("POST", "/api/say", &headers, body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n\
             {body}",
            headers.concat(),
            body.len()
        );
        self.raw(request.as_bytes())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Sends these bytes, keeps the connection open, and reads what comes.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::read(&answer).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&answer)))
    }

    /// Sends these bytes and reads the head of what comes, whatever follows it.
    pub(crate) fn head(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            assert!(stream.read(&mut byte).unwrap() > 0, "{}", String::from_utf8_lossy(&head));
            head.extend(byte);
        }
        Answer::read(&head).unwrap()
    }

    /// The same; `None` when the service is gone before it has answered.
    pub(crate) fn try_raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.write_all(request).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Answer::read(&answer)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head[9..12].parse().unwrap();
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether it fails as every failure does.
    pub(crate) fn fails(&self, status: u16, code: &str, field: Option<&str>) {
        let body = self.json();
        assert_eq!((self.status, body["error"]["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(body["error"]["field"].as_str(), field, "{self:?}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "{self:?}");
        let keys = if field.is_some() { 3 } else { 2 };
        let sizes = (body.as_object().unwrap().len(), body["error"].as_object().unwrap().len());
        assert_eq!(sizes, (1, keys), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}
