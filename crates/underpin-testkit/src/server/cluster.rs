//! PostgreSQL from the server programs that are installed.

use std::{
    env, fs, io,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::block_on;

/// A running server and its files; stopped and removed when it is dropped.
pub(super) struct Cluster {
    process: Child,
    _dir: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A cluster that is thrown away need not stop in order.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The user that the server runs as when the tests run as root, which it refuses: `nobody`.
const NOBODY: u32 = 65534;

/// Creates a cluster and starts it, and gives its URL up to the name of the database.
pub(super) fn start() -> Result<(String, Cluster), String> {
    let programs = programs().ok_or("no `initdb` and `postgres` found")?;
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data = dir.path().join("data");
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if root {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
    }
    let mut initdb = command(&programs.join("initdb"), root);
    initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
    let output = initdb.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let port = free_port().map_err(|error| error.to_string())?;
    let process = command(&programs.join("postgres"), root)
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-N", "300", "-k"])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let cluster = Cluster { process, _dir: dir };
    let base = format!("postgres://postgres@127.0.0.1:{port}");
    let url = format!("{base}/postgres").parse().map_err(|error| format!("{error}"))?;
    let ready =
        block_on(async || underpin_db::wait_until_ready(&url, Duration::from_secs(30)).await);
    ready.map_err(|error| error.to_string())?;
    Ok((base, cluster))
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

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
