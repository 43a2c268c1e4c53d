//! Files that are files: a pipe is waited for until somebody writes to it, and a device has no end.

use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::FileTypeExt as _,
    path::Path,
};

/// All bytes of the file at `path`, or of the one that links lead to.
///
/// # Errors
///
/// Those of the system, and when there is something else than a file, which the message names.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match other_than_file(fs::metadata(path)?.file_type()) {
        None => fs::read(path),
        Some(what) => {
            let wrong = format!("it is {what}, expected a file: put one in its place");
            Err(io::Error::other(wrong))
        }
    }
}

/// What stands where a file should, for people.
#[must_use]
pub fn other_than_file(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_fifo() => Some("a named pipe"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
