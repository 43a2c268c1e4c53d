//! Where a run keeps the copies of its files: a directory that it makes for itself, so that whatever is
//! in there is its own.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{FleetError, Run, RunOptions};

/// Where the copies of `run` are, when it was to take some.
pub(crate) fn copies_of(run: &Run) -> Option<PathBuf> {
    let options: RunOptions = serde_json::from_str(&run.options).ok()?;
    Some(Copies::of(&options.backup?, run.id.as_deref()?).dir)
}

/// The file that marks a directory of copies, whatever the directory is called and wherever it is moved.
const MARK: &str = ".underpin-copies";
/// What the file tells whoever opens it.
const TOLD: &str =
    "Copies that a run of `underpin fleet` made; no run takes a database from this directory.\n";

/// Whether `dir` holds copies that a run made, which are no databases of a fleet. Older programs left no
/// mark there, and the same name.
pub(crate) fn holds_copies(dir: &Path) -> bool {
    let is_id =
        |id: &str| id.len() == 16 && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let name = dir.file_name().and_then(OsStr::to_str);
    let is_named = name.and_then(|name| name.strip_prefix("run-")).is_some_and(is_id);
    is_named || fs::symlink_metadata(dir.join(MARK)).is_ok()
}

/// The directory of a run's copies.
pub(super) struct Copies {
    dir: PathBuf,
}

impl Copies {
    /// Makes the directory of the run `id` in `parent`, which is made as well if need be. Its owner alone
    /// may look into it: a copy holds what the database holds.
    pub(super) fn make(parent: &Path, id: &str) -> Result<Self, FleetError> {
        let copies = Self::of(parent, id);
        let made = || {
            fs::create_dir_all(parent)?;
            DirBuilder::new().mode(0o700).create(&copies.dir)?;
            copies.mark()?;
            File::open(parent)?.sync_all()
        };
        made().map_err(|error: io::Error| copies.failed(&error.to_string()))?;
        Ok(copies)
    }

    /// The directory that the run `id` made when it began.
    pub(super) fn again(parent: &Path, id: &str) -> Result<Self, FleetError> {
        let copies = Self::of(parent, id);
        match fs::symlink_metadata(&copies.dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(copies.failed("something else is there")),
            Err(error) => return Err(copies.failed(&error.to_string())),
        }
        copies.mark().map_err(|error| copies.failed(&error.to_string()))?;
        Ok(copies)
    }

    /// Marks the directory before there is a copy in it. A run of an older program, which is gone on with,
    /// has left no mark.
    fn mark(&self) -> io::Result<()> {
        let path = self.dir.join(MARK);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                file.write_all(TOLD.as_bytes())?;
                file.sync_all()?;
                File::open(&self.dir)?.sync_all()
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn of(parent: &Path, id: &str) -> Self {
        Self { dir: parent.join(format!("run-{id}")) }
    }

    fn failed(&self, reason: &str) -> FleetError {
        FleetError::Copies { path: self.dir.clone(), reason: reason.to_owned() }
    }

    /// Where the copy of the file of target `number` goes. What an earlier try copied stays: it may be the
    /// only copy of what was there then.
    pub(super) fn place(&self, number: i32, file: &Path) -> PathBuf {
        let name = file.file_name().unwrap_or_default();
        let place = |tried: u32| {
            let mut begin =
                if tried == 0 { format!("{number}-") } else { format!("{number}.{tried}-") };
            begin.push_str(&name.to_string_lossy());
            self.dir.join(begin)
        };
        let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
        let free = (0..u32::MAX).map(place).find(is_free).unwrap_or_else(|| place(0));
        // No other target has this number: a run that was killed left half a copy of this one.
        let mut half = free.clone().into_os_string();
        half.push(".new");
        if fs::remove_file(&half).is_ok() {
            tracing::debug!(
                "half a copy of an earlier try is gone: {}",
                Path::new(&half).display()
            );
        }
        free
    }
}
