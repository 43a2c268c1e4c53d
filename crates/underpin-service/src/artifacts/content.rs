//! Contents that are asked for: proven while they go out, so that the first byte does not wait for the last.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use underpin_models::project::Artifact;

use super::{Place, Store, StoreError, blocking, receive::hexadecimal};

/// Bytes that are read at a time. So much of each content waits in memory for its client.
const PIECE: u64 = 64 * 1024;

/// The content of an artifact, open. It stays what it is when the artifact is deleted meanwhile.
#[derive(Debug)]
pub struct Content {
    name: String,
    size: u64,
    path: PathBuf,
    file: File,
    /// Bytes that are still to be read.
    left: u64,
    /// What was read, and what it has to be in the end, if the row says so.
    hash: Sha256,
    expected: Option<String>,
    id: i32,
    /// The first piece: it is read before anybody hears that there is a content.
    first: Vec<u8>,
}

impl Store {
    /// Opens the content of an artifact that is as large as the row says. What the row does not say is not
    /// compared. One of one piece is seen to have its SHA-256; a larger one is while it is streamed.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotStored`], also for a row that says of a place that is not the artifact's own
    /// here; [`StoreError::Gone`], [`StoreError::Corrupt`], [`StoreError::File`].
    pub async fn open(&self, artifact: &Artifact) -> Result<Content, StoreError> {
        let (store, artifact) = (self.clone(), artifact.clone());
        blocking(move || {
            let mut content = store.find(&artifact)?;
            content.first = content.next(PIECE)?;
            Ok(content)
        })
        .await
    }

    /// Reads the content of an artifact as a text of at most `most` bytes, and proves it.
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
        if let Some(expected) = artifact.file_size
            && u64::try_from(expected) != Ok(size)
        {
            let (expected, found) = (format!("{expected} bytes"), format!("{size} bytes"));
            return Err(StoreError::Corrupt { id, path, expected, found });
        }
        Ok(Content {
            name: name.to_owned(),
            size,
            path,
            file,
            left: size,
            hash: Sha256::new(),
            expected: artifact.sha256.clone(),
            id,
            first: Vec::new(),
        })
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

    /// Its bytes, exactly [`Content::size`] of them, or an error. The last ones come only once all are seen to
    /// be what was stored: what is damaged never comes whole.
    pub fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
        let first = std::mem::take(&mut self.first);
        let first = stream::iter((!first.is_empty()).then(|| Ok(first.into())));
        first.chain(stream::try_unfold(self, async |mut content| {
            if content.left == 0 {
                return Ok(None);
            }
            blocking(move || {
                let piece = content.next(PIECE)?;
                Ok(Some((piece.into(), content)))
            })
            .await
        }))
    }

    /// The next bytes, `most` at most, and nothing only at the end.
    fn next(&mut self, most: u64) -> Result<Vec<u8>, StoreError> {
        let wanted = most.min(self.left);
        let mut piece = vec![0; usize::try_from(wanted).unwrap_or_default()];
        let read = self.file.read_exact(&mut piece);
        read.map_err(StoreError::file("read", &self.path))?;
        self.left -= wanted;
        if let Some(expected) = &self.expected {
            self.hash.update(&piece);
            if self.left == 0 {
                let found = hexadecimal(std::mem::take(&mut self.hash));
                if !expected.eq_ignore_ascii_case(&found) {
                    let sha256 = |hash: &str| format!("SHA-256 {hash}");
                    let (expected, found) = (sha256(expected), sha256(&found));
                    let (id, path) = (self.id, self.path.clone());
                    return Err(StoreError::Corrupt { id, path, expected, found });
                }
            }
        }
        Ok(piece)
    }
}
