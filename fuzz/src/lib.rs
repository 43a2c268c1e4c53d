//! A service in this process, for the targets that send it something. A panic anywhere in it ends the
//! fuzzer, as one in a target does.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, Instant},
};

use underpin_service::Config;

/// The operator's token, which no answer may hold.
pub const SECRET: &str = "canary-token-of-the-operator-0123456789";

/// How long the service may take for an answer; longer is a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an answer that does not end is read, such as a stream of events.
const SILENCE: Duration = Duration::from_millis(200);

/// A service that listens.
pub struct Service {
    pub address: SocketAddr,
    /// Its SQLite file.
    pub database: PathBuf,
}

/// The service, which is started when it is first asked for.
///
/// # Panics
///
/// When it does not start.
pub fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(start)
}

fn start() -> Service {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let database = folder.join("app.db");
    let config = Config::read(
        |key| match key {
            "DATABASE_URL" => Some(format!("sqlite:{}", database.display())),
            "DATA_DIR" => Some(folder.join("data").display().to_string()),
            "HTTP_ADDR" => Some(address.to_string()),
            "ADMIN_TOKEN" => Some(SECRET.to_owned()),
            "LOG_LEVEL" => Some("error".to_owned()),
            _ => None,
        },
        true,
    );
    let config = config.unwrap_or_else(|errors| panic!("{:?}", errors.0));
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(underpin_service::run(config));
        panic!("the service ends: {ended:?}");
    });
    let service = Service { address, database };
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < PATIENCE, "the service does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    service
}

impl Service {
    /// Sends a whole request that asks for the connection to be closed; gives the answer.
    ///
    /// # Panics
    ///
    /// As [`Service::send`].
    pub fn ask(&self, request: &[u8]) -> Vec<u8> {
        self.exchange(request, true)
    }

    /// Sends bytes and nothing more; gives what comes back, which is nothing when the service hangs up.
    ///
    /// # Panics
    ///
    /// When nothing happens for a long time, or the answer is no HTTP, a failure of the service or holds
    /// the operator's token.
    pub fn send(&self, bytes: &[u8]) -> Vec<u8> {
        self.exchange(bytes, false)
    }

    fn exchange(&self, bytes: &[u8], is_whole: bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(SILENCE)).expect("a limit of time");
        // It may hang up before it has read everything.
        drop(stream.write_all(bytes));
        let (start, mut answer, mut piece) = (Instant::now(), Vec::new(), [0; 8_192]);
        loop {
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !answer.is_empty() {
                        break;
                    }
                    assert!(start.elapsed() < PATIENCE, "no answer to {}", bytes.escape_ascii());
                    if !is_whole {
                        // Nothing more comes: what is not a whole request by now never is one.
                        drop(stream.shutdown(Shutdown::Write));
                    }
                }
                Err(_) => break,
            }
        }
        check(bytes, &answer);
        answer
    }
}

fn check(bytes: &[u8], answer: &[u8]) {
    if let Some(status) = status(answer) {
        // 503 is for what comes too fast.
        let failed = status >= 500 && status != 503;
        assert!(!failed, "{} to {}", answer.escape_ascii(), bytes.escape_ascii());
    } else {
        assert!(answer.is_empty(), "no HTTP: {}", answer.escape_ascii());
    }
    let shown = answer.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    assert!(!shown, "the token is shown to {}", bytes.escape_ascii());
}

/// The number of an answer's first line.
pub fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(digits.get(..3)?).ok()?.parse().ok()
}
