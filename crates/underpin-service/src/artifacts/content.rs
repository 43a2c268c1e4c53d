//! Contents that are asked for: proven before the first byte goes out.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, stream::try_unfold};
use sha2::{Digest as _, Sha256};
use underpin_models::project::Artifact;

use super::{Place, Store, StoreError, blocking, receive::hexadecimal};

/// Bytes that are read at a time.
const PIECE: u64 = 256 * 1024;

/// The content of an artifact, open. It stays what it is when the artifact is deleted meanwhile.
#[derive(Debug)]
pub struct Content {
    name: String,
    size: u64,
    path: PathBuf,
    file: File,
    /// Bytes that are still to be read.
    left: u64,
}

impl Store {
    /// Opens the content of an artifact, once it is seen to be what the row says: as large, and with
    /// its SHA-256. What the row does not say is not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotStored`], also for a row that says of a place that is not the artifact's own
    /// here; [`StoreError::Gone`], [`StoreError::Corrupt`], [`StoreError::File`].
    pub async fn open(&self, artifact: &Artifact) -> Result<Content, StoreError> {
        let (store, artifact) = (self.clone(), artifact.clone());
        blocking(move || {
            let mut content = store.find(&artifact)?;
            content.verify(&artifact)?;
            Ok(content)
        })
        .await
    }

    /// Reads the content of an artifact as a text of at most `most` bytes, proven as by
    /// [`Store::open`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`], [`StoreError::TooLong`] and [`StoreError::NotText`].
    pub async fn read_text(&self, artifact: &Artifact, most: u64) -> Result<String, StoreError> {
        let (store, artifact) = (self.clone(), artifact.clone());
        blocking(move || {
            let mut content = store.find(&artifact)?;
            if content.size > most {
                return Err(StoreError::TooLong { most, found: content.size });
            }
            content.verify(&artifact)?;
            let text = String::from_utf8(content.next(content.size)?);
            text.map_err(|_| StoreError::NotText { id: artifact.id })
        })
        .await
    }

    /// Opens what the row says of, if that is the artifact's own place.
    fn find(&self, artifact: &Artifact) -> Result<Content, StoreError> {
        let id = artifact.id;
        let place = Place::new(&self.dir, artifact.project_id, id);
        let name = artifact.storage_path.as_deref().and_then(|path| place.name_in(path));
        let name = name.ok_or(StoreError::NotStored { id })?;
        let path = place.path(name);
        let opened = open_file(&place, &path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Gone { id, path: path.clone() },
            _ => StoreError::file("read", &path)(error),
        })?;
        let (file, size) = opened.ok_or(StoreError::NotStored { id })?;
        Ok(Content { name: name.to_owned(), size, path, file, left: size })
    }
}

/// A file of the place, with its size. Opening anything else, such as a pipe, might take for ever.
fn open_file(place: &Place, path: &Path) -> io::Result<Option<(File, u64)>> {
    if !path.symlink_metadata()?.is_file() || !place.holds(path)? {
        return Ok(None);
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok(Some((file, size)))
}

impl Content {
    /// The name that the file has in the store: one component of a path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its bytes, exactly [`Content::size`] of them, or an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
        try_unfold(self, |mut content| {
            blocking(move || {
                let piece = content.next(PIECE)?;
                Ok((!piece.is_empty()).then(|| (piece.into(), content)))
            })
        })
    }

    /// Reads the file to its end, and is at its beginning again.
    fn verify(&mut self, artifact: &Artifact) -> Result<(), StoreError> {
        let corrupt = |expected: String, found: String, path: &Path| {
            Err(StoreError::Corrupt { id: artifact.id, path: path.to_owned(), expected, found })
        };
        if let Some(size) = artifact.file_size
            && u64::try_from(size) != Ok(self.size)
        {
            return corrupt(format!("{size} bytes"), format!("{} bytes", self.size), &self.path);
        }
        let Some(expected) = &artifact.sha256 else { return Ok(()) };
        let mut hash = Sha256::new();
        loop {
            let piece = self.next(PIECE)?;
            if piece.is_empty() {
                break;
            }
            hash.update(&piece);
        }
        let found = hexadecimal(hash);
        if !expected.eq_ignore_ascii_case(&found) {
            let sha256 = |hash: &str| format!("SHA-256 {hash}");
            return corrupt(sha256(expected), sha256(&found), &self.path);
        }
        self.file.rewind().map_err(StoreError::file("read", &self.path))?;
        self.left = self.size;
        Ok(())
    }

    /// The next bytes, `most` at most, and nothing only at the end.
    fn next(&mut self, most: u64) -> Result<Vec<u8>, StoreError> {
        let wanted = most.min(self.left);
        let mut piece = vec![0; usize::try_from(wanted).unwrap_or_default()];
        let read = self.file.read_exact(&mut piece);
        read.map_err(StoreError::file("read", &self.path))?;
        self.left -= wanted;
        Ok(piece)
    }
}
