//! The contents of artifacts: what a client may do to them, and what a crash leaves.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod crash;
mod create;
mod delete;
// Only Linux gives a process a disk of its own.
#[cfg(target_os = "linux")]
mod disk;
mod open;
mod receive;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime};
use futures_util::{Stream, TryStreamExt as _, stream};
use underpin::{Engine, Goal, Options};
use underpin_db::{Db, Dialect, PoolOptions};
use underpin_models::project::{
    Artifact, ArtifactType, NewArtifact, NewProject, ProjectRepository as _,
};
use underpin_service::artifacts::{Content, Received, Store};
use underpin_testkit::{TestDb, block_on};

/// The project of most tests.
const P: i32 = 1;

/// Bytes that the stores of tests keep at most.
const LIMIT: u64 = 1 << 20;

/// A project's database, and a store beside it.
struct Rig<'a> {
    db: Db,
    store: Store,
    /// `DATA_DIR`
    dir: PathBuf,
    /// For what no operation reads or writes.
    on: &'a TestDb,
}

/// Runs `test` with a new database at head, with project 1, and an empty store.
fn on_head(dialect: Dialect, test: impl AsyncFnOnce(&Rig<'_>) + Send) {
    let on = TestDb::new(dialect);
    let (url, catalog) = (on.database_url(), underpin_migrations::project(dialect));
    let engine = Engine::new(catalog, underpin_migrations::CODE, &url, Options::default()).unwrap();
    block_on(async || {
        engine.migrate(&Goal::Head).await.unwrap();
        let db = Db::connect(&url, &PoolOptions::default()).await.unwrap();
        create_project(&db, P).await;
        let dir = on.dir().join("data");
        let store = Store::new(&dir, LIMIT);
        test(&Rig { db, store, dir, on: &on }).await;
    });
}

async fn create_project(db: &Db, id: i32) {
    let new = NewProject {
        name: format!("project {id}"),
        description: None,
        root_path: None,
        default_engine: None,
        db_path: format!("{id}.db"),
    };
    db.create_project(id, new, at(0)).await.unwrap();
}

impl Rig<'_> {
    /// Receives `content` and makes an artifact of it.
    async fn upload(&self, name: &str, content: &[u8]) -> Artifact {
        let received = receive(&self.store, content).await;
        self.store.create(&self.db, P, new(name), received, at(1)).await.unwrap().unwrap()
    }

    /// Every artifact that says where its content is: the number, and what it says.
    fn rows(&self) -> Vec<String> {
        let number = "CAST(id AS VARCHAR(9))";
        self.on.texts(&format!("SELECT {number} || ' ' || storage_path FROM artifacts ORDER BY id"))
    }

    /// Every file of the store, below `DATA_DIR`.
    fn files(&self) -> Vec<String> {
        files(&self.dir)
    }

    /// How a row says of its content.
    fn file(&self, artifact: &Artifact) -> PathBuf {
        self.dir.join(artifact.storage_path.as_ref().unwrap())
    }
}

async fn receive(store: &Store, content: &[u8]) -> Received {
    store.receive(pieces(content)).await.unwrap()
}

/// `content` in pieces, as it comes from a client.
fn pieces(content: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let pieces: Vec<_> = content.chunks(1_000).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

async fn bytes(content: Content) -> Vec<u8> {
    let pieces: Vec<Bytes> = content.into_stream().try_collect().await.unwrap();
    pieces.concat()
}

fn new(file_path: &str) -> NewArtifact {
    NewArtifact {
        task_id: None,
        run_id: None,
        artifact_type: ArtifactType::Other,
        name: file_path.to_owned(),
        file_path: file_path.to_owned(),
        sha256: None,
        extra_data: None,
    }
}

/// Every file below `dir`, sorted, as paths below it.
fn files(dir: &Path) -> Vec<String> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Waits until `done`: what is dropped is removed on another thread.
async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 10 s");
}

/// So many seconds after the moment at which tests begin.
fn at(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(1_750_000_000 + seconds, 0).unwrap().naive_utc()
}
