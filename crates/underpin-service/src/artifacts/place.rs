//! The directory of an artifact's own, and how a file gets there for good.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{Received, StoreError};

/// The directory of a project's contents, below `DATA_DIR`.
pub(super) fn of_project(id: i32) -> String {
    format!("artifacts/project_{id}")
}

/// The directory of an artifact's own.
#[derive(Debug, Clone)]
pub(super) struct Place {
    data_dir: Arc<Path>,
    /// Below `DATA_DIR`, with `/` on every system: rows say it.
    relative: String,
}

impl Place {
    pub(super) fn new(data_dir: &Arc<Path>, project_id: i32, id: i32) -> Self {
        let relative = format!("{}/artifact_{id}", of_project(project_id));
        Self { data_dir: Arc::clone(data_dir), relative }
    }

    /// What a row says of a file here.
    pub(super) fn storage_path(&self, name: &str) -> String {
        format!("{}/{name}", self.relative)
    }

    /// The name of the file that a row says of, if it is one of this place.
    pub(super) fn name_in<'a>(&self, storage_path: &'a str) -> Option<&'a str> {
        let name = storage_path.strip_prefix(&self.relative)?.strip_prefix('/')?;
        let mut parts = Path::new(name).components();
        let normal = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
        (normal && parts.next().is_none() && !name.contains('\0')).then_some(name)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Whether `path`, which is below this place, is so also when links are followed.
    pub(super) fn holds(&self, path: &Path) -> io::Result<bool> {
        let straight = self.data_dir.canonicalize()?.join(&self.relative);
        Ok(path.canonicalize()?.starts_with(straight))
    }

    /// Puts a file here for good, in place of whatever is left of an artifact that had this number.
    /// When that fails, nothing is left here.
    pub(super) fn put(&self, name: &str, received: &Received) -> Result<(), StoreError> {
        let result = self.remove().and_then(|()| self.put_into_nothing(name, received));
        if result.is_err() {
            // The error that led here says more than a second one.
            drop(self.remove());
        }
        result
    }

    /// Removes the directory with what is in it.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        remove(&self.dir())
    }

    fn dir(&self) -> PathBuf {
        self.data_dir.join(&self.relative)
    }

    fn put_into_nothing(&self, name: &str, received: &Received) -> Result<(), StoreError> {
        let (dir, path) = (self.dir(), self.path(name));
        fs::create_dir_all(&dir).map_err(StoreError::file("create the directory", &dir))?;
        if !self.holds(&dir).map_err(StoreError::file("look up", &dir))? {
            let link = io::Error::other("a link leads elsewhere, and is not followed");
            return Err(StoreError::file("use", dir)(link));
        }
        fs::rename(received.path(), &path).map_err(StoreError::file("create", &path))?;
        // Each directory above may be new, too: `artifact_1`, `project_1`, `artifacts`.
        for dir in dir.ancestors().take_while(|dir| dir.starts_with(&self.data_dir)) {
            let names = fs::File::open(dir).and_then(|dir| dir.sync_all());
            names.map_err(StoreError::file("write the directory", dir))?;
        }
        Ok(())
    }
}

/// Removes a directory, if it is there. A link to one is removed alone.
pub(super) fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::file("delete", dir)(error))
        }
        _ => Ok(()),
    }
}
