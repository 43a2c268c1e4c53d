//! A running service and what it says.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A service; killed when it is dropped.
pub(crate) struct Replica {
    process: Child,
    /// Each line of standard output and standard error.
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Replica {
    /// Starts it and waits until it listens.
    pub(crate) fn start(command: Command) -> Self {
        let mut replica = Self::spawn(command);
        replica.wait_for("listening on http://");
        replica
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::default();
        let readers = vec![
            follow(process.stdout.take().unwrap(), &log),
            follow(process.stderr.take().unwrap(), &log),
        ];
        Self { process, log, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The lines of a level, as texts.
    pub(crate) fn said(&self, level: &str) -> Vec<String> {
        let lines = self.lines(level).into_iter();
        lines.map(|line| line["fields"]["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Makes sure that there is no line of a level.
    pub(crate) fn assert_silent(&self, level: &str) {
        let said = self.said(level);
        assert!(said.is_empty(), "{said:?}");
    }

    /// The lines of a level, as soon as there are so many.
    pub(crate) fn told(&self, level: &str, number: usize) -> Vec<String> {
        eventually(level, || self.lines(level).len() >= number);
        self.said(level)
    }

    /// The lines of a level, whole.
    pub(crate) fn lines(&self, level: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["level"] == level).collect()
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// Waits until it has said `text` so many times.
    pub(crate) fn wait_for_times(&mut self, text: &str, times: usize) {
        eventually(text, || {
            let ended = self.process.try_wait().unwrap().is_some();
            let said = self.log().matches(text).count() >= times;
            assert!(said || !ended, "it ended before it said: {text}");
            said
        });
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Tells it to stop, and gives the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.end()
    }

    /// Waits for its end, and gives the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("the end of the service", || {
            code = self.process.try_wait().unwrap();
            code.is_some()
        });
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        code.unwrap().code()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            let said = format!("--- service {} said:\n{}", self.process.id(), self.log());
            drop(writeln!(std::io::stderr(), "{said}"));
        }
    }
}

fn follow(output: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    })
}

/// Waits until `reached`.
pub(crate) fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(90);
    while !reached() {
        assert!(Instant::now() < limit, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Compares what was said with what is expected, and shows the first difference alone.
pub(crate) fn assert_said(said: &[String], expected: &[String]) {
    for (number, (said, expected)) in said.iter().zip(expected).enumerate() {
        assert_eq!(said, expected, "line {number}");
    }
    assert_eq!(said.len(), expected.len());
}
