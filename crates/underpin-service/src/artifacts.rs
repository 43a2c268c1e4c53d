//! The contents of artifacts: files below `DATA_DIR/artifacts`, one directory per artifact.
//!
//! A row that says where its content is has that content: the file is in its place, for good, before
//! the row's transaction commits, and leaves only when no row asks for it any more. Whatever dies in
//! between leaves at most a file without a row, which the next artifact of that number replaces.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::NaiveDateTime;
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, oneshot};
use underpin_db::{Db, DbConn, DbError};
use underpin_models::project::{
    Artifact, ArtifactRepository as _, ArtifactStorage, NewArtifact, Refusal,
};

mod content;
mod error;
mod name;
mod place;
mod receive;
mod sweep;

pub use content::Content;
pub use error::StoreError;
pub use name::safe_name;
pub use receive::Received;
pub(crate) use sweep::at_start;

use error::joined;
use place::Place;

/// Where the contents of artifacts are kept. Its clones are one store.
#[derive(Debug, Clone)]
pub struct Store {
    /// `DATA_DIR`, absolute: a later change of the working directory moves nothing.
    dir: Arc<Path>,
    limit: u64,
}

impl Store {
    /// The store in `data_dir/artifacts`, which is made when something is received. No content is
    /// larger than `limit` bytes, nor than a row can say, which is 2 GiB less one.
    #[must_use]
    pub fn new(data_dir: &Path, limit: u64) -> Self {
        let dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self { dir: dir.into(), limit: limit.min(i32::MAX.unsigned_abs().into()) }
    }

    /// Bytes of a content at most.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Makes an artifact with the content that was received; its name in the store is that of
    /// `new.file_path`, made safe. Where `new.sha256` is given, the content has to have it.
    ///
    /// Both or none: when it fails or is refused, neither a row nor a file is left. Once begun it
    /// comes to its end, also when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`StoreError::Mismatch`] before anything is done, [`StoreError::File`] with the path at fault,
    /// [`StoreError::Database`].
    pub async fn create(
        &self,
        db: &Db,
        project_id: i32,
        new: NewArtifact,
        received: Received,
        now: NaiveDateTime,
    ) -> Result<Result<Artifact, Refusal>, StoreError> {
        let found = received.sha256();
        if let Some(expected) = new.sha256.as_ref().filter(|one| !one.eq_ignore_ascii_case(found)) {
            let (expected, found) = (expected.clone(), found.to_owned());
            return Err(StoreError::Mismatch { expected, found });
        }
        let new = NewArtifact { sha256: Some(found.to_owned()), ..new };
        let (store, db) = (self.clone(), db.clone());
        to_the_end(async move { store.commit(&db, project_id, new, received, now).await }).await
    }

    /// Deletes an artifact and its content, if it has one.
    ///
    /// A content that cannot be deleted is a warning in the log: nobody can ask for it any more. Once
    /// begun it comes to its end, also when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`]; then the artifact is still there, content and all.
    pub async fn delete(
        &self,
        db: &Db,
        project_id: i32,
        id: i32,
        now: NaiveDateTime,
    ) -> Result<Result<Artifact, Refusal>, StoreError> {
        let (store, db) = (self.clone(), db.clone());
        to_the_end(async move {
            let deleted = db.delete_artifact(project_id, id, now).await?;
            if deleted.is_ok()
                && let Err(error) = store.release(&db, project_id, id).await
            {
                left(project_id, id, &error);
            }
            Ok(deleted)
        })
        .await
    }

    /// Deletes the contents of a whole project, whose database is gone already.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] with the path at fault; what is left can be deleted by another call.
    pub async fn delete_project(&self, project_id: i32) -> Result<(), StoreError> {
        let dir = self.dir.join(place::of_project(project_id));
        blocking(move || place::remove(&dir)).await
    }

    /// Where new files are written until they are whole.
    fn incoming(&self) -> PathBuf {
        self.dir.join("artifacts").join("incoming")
    }

    async fn commit(
        &self,
        db: &Db,
        project_id: i32,
        new: NewArtifact,
        received: Received,
        now: NaiveDateTime,
    ) -> Result<Result<Artifact, Refusal>, StoreError> {
        let (tell, mut told) = oneshot::channel();
        let store = self.clone();
        let done = db.transaction(move |conn| {
            async move {
                match store.make(conn, project_id, new, received, now).await {
                    Ok(Ok(artifact)) => {
                        drop(tell.send(Ok(artifact.clone())));
                        Ok(Ok(artifact))
                    }
                    Ok(Err(refusal)) => Ok(Err(refusal)),
                    Err(error) => {
                        let message = error.to_string();
                        drop(tell.send(Err(error)));
                        // Any error takes the transaction back; which one it was is told beside it.
                        Err(DbError { message, ..DbError::default() })
                    }
                }
            }
            .boxed()
        });
        match (done.await, told.try_recv()) {
            (Ok(done), _) => Ok(done),
            (Err(error), Err(_)) => Err(error.into()),
            (Err(_), Ok(Err(error))) => Err(error),
            (Err(error), Ok(Ok(artifact))) => self.settle(db, artifact, error).await,
        }
    }

    /// What the transaction does: the row, the file, the row's word about the file.
    async fn make(
        &self,
        conn: &mut DbConn,
        project_id: i32,
        new: NewArtifact,
        received: Received,
        now: NaiveDateTime,
    ) -> Result<Result<Artifact, Refusal>, StoreError> {
        let name = safe_name(&new.file_path);
        let made = match conn.create_artifact(project_id, new, now).await? {
            Ok(made) => made,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let place = Place::new(&self.dir, project_id, made.id);
        let storage = ArtifactStorage {
            storage_path: place.storage_path(&name),
            sha256: received.sha256().to_owned(),
            file_size: received.size(),
        };
        let put = {
            let place = place.clone();
            move || place.put(&name, &received)
        };
        here(conn, put).await?;
        // Another artifact of this number cannot come before this transaction ends.
        let stored = conn.set_artifact_storage(project_id, made.id, storage, now).await;
        let stored = stored.and_then(|stored| {
            stored.map_err(|refusal| DbError { message: refusal.to_string(), ..DbError::default() })
        });
        if stored.is_err()
            && let Err(error) = here(conn, move || place.remove()).await
        {
            left(project_id, made.id, &error);
        }
        Ok(Ok(stored?))
    }

    /// After a commit that failed: a server that died over it may have done it all the same.
    async fn settle(
        &self,
        db: &Db,
        artifact: Artifact,
        error: DbError,
    ) -> Result<Result<Artifact, Refusal>, StoreError> {
        let (project_id, id) = (artifact.project_id, artifact.id);
        match self.release(db, project_id, id).await {
            Ok(row) if row.as_ref() == Some(&artifact) => Ok(Ok(artifact)),
            Ok(_) => Err(error.into()),
            Err(second) => {
                left(project_id, id, &second);
                Err(error.into())
            }
        }
    }

    /// Takes the content of an artifact away unless there is a row of this number, which it gives.
    ///
    /// SQLite gives a number again: the lock keeps a new artifact from coming between look and
    /// removal.
    async fn release(
        &self,
        db: &Db,
        project_id: i32,
        id: i32,
    ) -> Result<Option<Artifact>, StoreError> {
        let place = Place::new(&self.dir, project_id, id);
        let (tell, mut told) = oneshot::channel();
        let row = db.transaction(move |conn| {
            async move {
                let row = conn.hold_artifact(project_id, id).await?;
                if row.is_none() {
                    drop(tell.send(here(conn, move || place.remove()).await));
                }
                Ok(row)
            }
            .boxed()
        });
        let row = row.await?;
        told.try_recv().unwrap_or(Ok(()))?;
        Ok(row)
    }
}

/// The store keeps a file that it meant to delete.
fn left(project: i32, artifact: i32, error: &StoreError) {
    tracing::warn!(
        project,
        artifact,
        "the content of artifact {artifact} of project {project} is left: {error}"
    );
}

/// Works on files from within a transaction: on SQLite it is on a thread that may block already.
async fn here<T: Send + 'static>(
    conn: &DbConn,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match conn {
        DbConn::Sqlite(_) => work(),
        DbConn::Postgres(_) => blocking(work).await,
    }
}

/// Threads that work on files at a time: SQLite has its threads and processors from the same, and is not to wait for
/// however many files are asked for.
static FILES: Semaphore = Semaphore::const_new(4);

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // It is never closed. The thread keeps its place, also when nobody waits for it any more.
    let place = FILES.acquire().await.map_err(|_| StoreError::Stopping)?;
    let work = move || {
        let done = work();
        drop(place);
        done
    };
    joined(tokio::task::spawn_blocking(work).await)
}

/// Runs `work` to its end, also when the caller is gone.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    joined(tokio::spawn(work).await)
}
