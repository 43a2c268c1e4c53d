//! Contents that come in, piece by piece.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    pin::pin,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{Store, StoreError, blocking};

/// Bytes that are gathered before a thread is asked to write them: small enough to wait in memory,
/// large enough to be worth the way there. A client that is slow holds no thread meanwhile.
const BATCH: usize = 256 * 1024;

/// A content that was received whole. Its file disappears with it, unless it becomes an artifact's.
#[derive(Debug)]
pub struct Received {
    file: Incoming,
    sha256: String,
    size: i32,
}

impl Received {
    /// Its SHA-256, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> i32 {
        self.size
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Store {
    /// Receives a content to its end, and makes it durable.
    ///
    /// When that fails, or the caller stops waiting, nothing is left of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] as soon as more came than is kept, [`StoreError::Stream`] with what
    /// `content` failed with, [`StoreError::File`] with the path at fault.
    pub async fn receive<E>(
        &self,
        content: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Received, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut content = pin!(content);
        let dir = self.incoming();
        let mut writer = blocking(move || Writer::create(&dir)).await?;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| StoreError::Stream(error.into()))?;
            writer.size += piece.len() as u64;
            if writer.size > self.limit {
                return Err(StoreError::TooLarge { limit: self.limit });
            }
            writer.batch.extend_from_slice(&piece);
            if writer.batch.len() >= BATCH {
                writer = blocking(move || writer.flush()).await?;
            }
        }
        blocking(move || writer.finish()).await
    }
}

/// A file in `incoming`. It goes when this is dropped, on a thread that may block; once it was moved
/// away, nothing has its name any more.
#[derive(Debug)]
struct Incoming {
    path: PathBuf,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        // What cannot be removed now, the sweep finds.
        let remove = move || drop(fs::remove_file(path));
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

struct Writer {
    /// Dropped first, so that the space is given back when `file` is closed.
    incoming: Incoming,
    file: fs::File,
    batch: Vec<u8>,
    hash: Sha256,
    /// Bytes that came, written or not.
    size: u64,
}

impl Writer {
    fn create(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(StoreError::file("create the directory", dir))?;
        let new = tempfile::Builder::new().prefix("upload-").tempfile_in(dir);
        let new = new.and_then(|new| new.keep().map_err(|error| error.error));
        let (file, path) = new.map_err(StoreError::file("create a file in", dir))?;
        let incoming = Incoming { path };
        Ok(Self { incoming, file, batch: Vec::new(), hash: Sha256::new(), size: 0 })
    }

    fn flush(mut self) -> Result<Self, StoreError> {
        self.hash.update(&self.batch);
        let written = self.file.write_all(&self.batch);
        written.map_err(StoreError::file("write", &self.incoming.path))?;
        self.batch.clear();
        Ok(self)
    }

    fn finish(self) -> Result<Received, StoreError> {
        let Self { incoming, file, hash, size, .. } = self.flush()?;
        file.sync_all().map_err(StoreError::file("write", &incoming.path))?;
        let most = i32::MAX.unsigned_abs().into();
        let size = i32::try_from(size).map_err(|_| StoreError::TooLarge { limit: most })?;
        Ok(Received { file: incoming, sha256: hexadecimal(hash), size })
    }
}

/// The digest as rows say it.
pub(super) fn hexadecimal(hash: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
