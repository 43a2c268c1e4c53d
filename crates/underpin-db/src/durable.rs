//! Changes of directories that outlive a power failure: a name is made, moved or removed for good only
//! when its directory is on the disk as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Waits until the disk has the names in `dir` as they are now.
///
/// # Errors
///
/// When the directory cannot be opened, or the disk refuses.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    fs::File::open(dir)?.sync_all()
}

/// Waits until the disk has the name of `path`, or does not have it any more.
///
/// # Errors
///
/// Those of [`sync_dir`].
pub fn sync_name(path: &Path) -> io::Result<()> {
    sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// Makes `dir` and what is missing above it.
///
/// # Errors
///
/// When a directory cannot be made, or the disk refuses.
pub fn create_dir_all(dir: &Path) -> io::Result<()> {
    let missing: Vec<PathBuf> =
        dir.ancestors().take_while(|one| !one.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(dir)?;
    missing
        .iter()
        .rev()
        .filter(|one| !one.as_os_str().is_empty())
        .try_for_each(|one| sync_name(one))
}

/// Gives a file another name, where nothing may be. A power failure leaves it under one of the two names,
/// or under both.
///
/// # Errors
///
/// When something is there already, or the disk refuses.
pub fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    // Unlike renaming, this replaces nothing.
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same_file(from, to)? => {}
        linked => linked?,
    }
    sync_name(to)?;
    fs::remove_file(from)?;
    sync_name(from)
}

/// Removes files that may be missing. The last one named goes last, also on the disk's side of a power
/// failure between two of them.
///
/// # Errors
///
/// The path at fault, with the reason.
pub fn remove_files(paths: &[PathBuf]) -> Result<(), (PathBuf, io::Error)> {
    for path in paths {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => {
                removed.and_then(|()| sync_name(path)).map_err(|error| (path.clone(), error))?;
            }
        }
    }
    Ok(())
}

/// Whether two names are of one file.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (one, other) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_that_was_interrupted_is_finished_and_nothing_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "one").unwrap();
        fs::hard_link(&from, &to).unwrap();

        move_file(&from, &to).unwrap();

        assert!(!from.exists());
        fs::write(&from, "another").unwrap();
        let refused = move_file(&from, &to).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&from).unwrap(), "another");
        assert_eq!(fs::read_to_string(&to).unwrap(), "one");
    }

    #[test]
    fn directories_are_made_and_what_is_missing_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");

        create_dir_all(&deep).unwrap();
        create_dir_all(&deep).unwrap();
        remove_files(&[deep.join("missing")]).unwrap();

        assert!(deep.is_dir());
    }
}
