//! Reads the files that hold a secret. No error quotes them.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

/// More than any secret has.
const MOST: u64 = 64 * 1024;
/// So long whoever writes to a pipe may take, a person with a password manager for one.
const PATIENCE: Duration = Duration::from_mins(1);

/// The text of the file at `path`; the error is a sentence for people.
///
/// A pipe is read as well: a shell hands over with one what is to be in no file
/// (`ADMIN_TOKEN_FILE=<(pass show token)`), and it ends when that is written. What does not end is given up
/// after so many bytes or so much time.
pub(super) fn read(path: &str) -> Result<String, String> {
    read_within(PathBuf::from(path), PATIENCE)
}

fn read_within(path: PathBuf, patience: Duration) -> Result<String, String> {
    let (tell, told) = mpsc::channel();
    // Nobody listens any more when it took too long.
    let work = move || drop(tell.send(text(&path)));
    thread::Builder::new().spawn(work).map_err(|error| error.to_string())?;
    told.recv_timeout(patience).unwrap_or_else(|_| {
        let seconds = patience.as_secs();
        Err(format!(
            "it came to no end within {seconds} s: does something write to it and close it?"
        ))
    })
}

fn text(path: &Path) -> Result<String, String> {
    let told = |error: io::Error| error.to_string();
    let kind = fs::metadata(path).map_err(told)?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        let found = if kind.is_dir() { "a directory" } else { "a socket or a device" };
        return Err(format!("it is {found}, expected a file or a pipe"));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(told)?.take(MOST + 1);
    file.read_to_end(&mut bytes).map_err(told)?;
    if file.limit() == 0 {
        return Err(format!("expected at most {MOST} bytes, found more"));
    }
    String::from_utf8(bytes).map_err(|_| "expected UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        os::unix::{fs::symlink, net::UnixListener},
        process::Command,
    };

    use rstest::rstest;

    use super::*;

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[rstest]
    #[case::a_directory("a directory", "it is a directory, expected a file or a pipe")]
    #[case::a_socket("a socket", "it is a socket or a device, expected a file or a pipe")]
    #[case::a_device("a device", "it is a socket or a device, expected a file or a pipe")]
    #[case::a_long_file("a long file", "expected at most 65536 bytes, found more")]
    #[case::a_pipe_without_end("a pipe without end", "expected at most 65536 bytes, found more")]
    #[case::a_pipe_nobody_writes("a pipe", "it came to no end within 0 s")]
    #[case::a_pipe_nobody_closes("an open pipe", "it came to no end within 0 s")]
    #[case::another_encoding("another encoding", "expected UTF-8")]
    #[case::nothing("nothing", "No such file")]
    fn what_holds_no_secret_is_given_up(#[case] what: &str, #[case] expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let mut writer = None;
        match what {
            "a directory" => fs::create_dir(&path).unwrap(),
            "a socket" => drop(UnixListener::bind(&path).unwrap()),
            "a device" => symlink("/dev/zero", &path).unwrap(),
            "a long file" => fs::write(&path, "SECRET".repeat(20_000)).unwrap(),
            "another encoding" => fs::write(&path, b"SECR\xe9T").unwrap(),
            "a pipe" => pipe(&path),
            "a pipe without end" | "an open pipe" => {
                pipe(&path);
                let ends_not = what == "a pipe without end";
                let path = path.clone();
                writer = Some(thread::spawn(move || {
                    let mut pipe = File::options().write(true).open(path).unwrap();
                    while pipe.write_all(b"SECRET").is_ok() && ends_not {}
                    pipe
                }));
            }
            _ => {}
        }
        // The long ones end by themselves.
        let patience = if expected.contains("within") { 300 } else { 60_000 };

        let error = read_within(path, Duration::from_millis(patience)).unwrap_err();

        assert!(error.starts_with(expected) && !error.contains("SECR"), "{error}");
        drop(writer.map(thread::JoinHandle::join));
    }

    #[rstest]
    fn a_file_and_a_pipe_that_is_closed_are_read(#[values(true, false)] piped: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        // As long as one may be, which is more than a pipe holds at once.
        let text = "x".repeat(64 * 1024);
        if piped {
            pipe(&path);
            let (path, text) = (path.clone(), text.clone());
            thread::spawn(move || fs::write(path, text).unwrap());
        } else {
            fs::write(&path, &text).unwrap();
        }

        assert_eq!(read(path.to_str().unwrap()), Ok(text));
    }
}
