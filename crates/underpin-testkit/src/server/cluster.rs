//! PostgreSQL from the server programs that are installed.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{block_on, port};

/// A server and its files; stopped and removed when it is dropped.
pub(super) struct Cluster {
    programs: PathBuf,
    dir: TempDir,
    root: bool,
    port: u16,
    /// `None` after [`Cluster::kill`].
    process: Option<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A cluster that is thrown away need not stop in order.
        self.kill();
    }
}

/// The user that the server runs as when the tests run as root, which it refuses: `nobody`.
const NOBODY: u32 = 65534;
/// How long a server may take to start, after a crash as well.
const LIMIT: Duration = Duration::from_secs(30);

impl Cluster {
    /// Creates a cluster and starts it.
    pub(super) fn start() -> Result<Self, String> {
        let programs = programs().ok_or("no `initdb` and `postgres` found")?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if root {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
        }
        let mut cluster = Self { programs, dir, root, port: port::free(), process: None };
        let mut initdb = cluster.command("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let output = initdb.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        cluster.restart()?;
        Ok(cluster)
    }

    /// The URL up to the name of the database.
    pub(super) fn base(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Kills the server; the processes of its connections see that and end as well.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Starts the server, after a crash as well, and waits until it answers.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let url = format!("{}/postgres", self.base()).parse();
        let url = url.map_err(|error| format!("{error}"))?;
        let limit = Instant::now() + LIMIT;
        loop {
            let mut process = self.spawn().map_err(|error| error.to_string())?;
            while process.try_wait().map_err(|error| error.to_string())?.is_none() {
                let ready = async || underpin_db::wait_until_ready(&url, Duration::ZERO).await;
                let answer = block_on(ready);
                if answer.is_ok() {
                    self.process = Some(process);
                    return Ok(());
                }
                if Instant::now() > limit {
                    self.process = Some(process);
                    return answer.map_err(|error| error.to_string());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // It ends at once while the last processes of a killed one are about.
            if Instant::now() > limit {
                return Err("`postgres` ends at its start: run it by hand".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        self.command("postgres")
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-F", "-N", "300", "-k"])
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = command(&self.programs.join(program), self.root);
        command.arg("-D").arg(self.dir.path().join("data"));
        command
    }
}

/// `program`, as somebody who is not root. `setpriv` becomes the program, so killing it is enough.
fn command(program: &Path, root: bool) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
    command
}

/// The folder of the newest server programs.
fn programs() -> Option<PathBuf> {
    let given = env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = env::split_paths(&path).collect();
    let complete = |dir: &PathBuf| dir.join("initdb").exists() && dir.join("postgres").exists();
    given.into_iter().chain(debian.into_iter().rev()).chain(path).find(complete)
}
