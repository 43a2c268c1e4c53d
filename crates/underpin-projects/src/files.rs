//! Projects in SQLite files of one directory.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::NaiveDateTime;
use diesel::connection::SimpleConnection as _;
use tokio::sync::OnceCell;
use underpin::{Engine, Goal, Status};
use underpin_db::{
    Access, Conn, ConnectOptions, DatabaseUrl, Db, DbError, Dialect, PoolOptions, SqliteConn,
    durable, with_causes,
};
use underpin_migrations::{CODE, project};
use underpin_models::project::{NewProject, Project, ProjectRepository as _};

use crate::{
    ProjectError, Settings, checkpoint,
    targets::{Found, Present},
};

/// How long to wait until nobody has a file open that is to be put aside.
const PATIENCE: Duration = Duration::from_secs(5);

/// Projects in files of a directory.
pub(crate) struct Files {
    dir: PathBuf,
    pool: PoolOptions,
    migration: underpin::Options,
    /// A file of head without a project: new ones are copies of it.
    template: OnceCell<PathBuf>,
}

impl Files {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            // A later change of the working directory moves nothing.
            dir: std::path::absolute(&settings.data_dir).unwrap_or(settings.data_dir.clone()),
            pool: settings.pool.clone(),
            migration: settings.migration.clone(),
            template: OnceCell::new(),
        }
    }

    pub(crate) fn url(&self, target: &str) -> DatabaseUrl {
        DatabaseUrl::file(&self.path(target))
    }

    pub(crate) async fn open(&self, target: &str) -> Result<Db, ProjectError> {
        Ok(Db::connect(&self.url(target), &self.pool).await?)
    }

    pub(crate) async fn make(
        &self,
        id: i32,
        target: &str,
        new: NewProject,
        now: NaiveDateTime,
    ) -> Result<(), ProjectError> {
        let template = self.template.get_or_try_init(|| self.make_template()).await?.clone();
        let (path, creating) = (self.path(target), self.creating(target));
        blocking(async move || {
            fs::copy(&template, &creating).map_err(ProjectError::file("write", &creating))?;
            checkpoint();
            let url = DatabaseUrl::file(&creating);
            let Conn::Sqlite(mut conn) = url.connect(&ConnectOptions::default()).await? else {
                return Ok(());
            };
            // Until it is done the file is worth nothing, and then all of it is made durable at once.
            // The journal mode stays in the file: who opens it first need not change it.
            conn.batch_execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL")
                .map_err(DbError::from)?;
            (&mut SqliteConn::new(conn)).create_project(id, new, now).await?;
            checkpoint();
            let file = fs::File::open(&creating).and_then(|file| file.sync_all());
            file.map_err(ProjectError::file("write", &creating))?;
            move_to(&creating, &path)
        })
        .await
    }

    pub(crate) async fn abandon(&self, target: &str) -> Result<(), ProjectError> {
        let creating = self.creating(target);
        blocking(async move || delete(&creating)).await
    }

    pub(crate) async fn row(&self, id: i32, target: &str) -> Result<Option<Project>, ProjectError> {
        // One that cannot be looked up may be there.
        if !is_there(&self.path(target))? {
            return Ok(None);
        }
        Ok(self.open(target).await?.project(id).await?)
    }

    pub(crate) async fn find(&self, target: &str) -> Result<Found, ProjectError> {
        let (here, aside) = (self.path(target), self.aside(target));
        blocking(async move || Ok(Found { here: is_there(&here)?, aside: is_there(&aside)? })).await
    }

    pub(crate) async fn present(&self) -> Result<Present, ProjectError> {
        let (here, aside) = (self.dir.clone(), self.dir.join("archived"));
        blocking(async move || Ok(Present { here: names(&here)?, aside: names(&aside)? })).await
    }

    pub(crate) async fn put_aside(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        let (from, to) = (self.path(target), self.aside(target));
        blocking(async move || {
            let options = ConnectOptions { busy_timeout: PATIENCE, ..ConnectOptions::default() };
            let url = DatabaseUrl::file(&from);
            let conn = url.connect(&options).await;
            let mut conn = conn.map_err(ProjectError::connecting(id, &url))?;
            // The file is whole without its journal only when nobody else has it open; until it has its
            // new name nobody begins anything.
            let alone = async {
                let mode = conn.text("PRAGMA journal_mode = DELETE").await?;
                conn.batch("BEGIN EXCLUSIVE").await?;
                Ok(mode.as_deref() == Some("delete"))
            };
            match alone.await {
                Ok(true) => {}
                Ok(false) => return Err(ProjectError::InUse { id }),
                Err(error) if is_locked(&error) => return Err(ProjectError::InUse { id }),
                Err(error) => return Err(error.into()),
            }
            move_to(&from, &to)
        })
        .await
    }

    pub(crate) async fn bring_back(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        let (from, to) = (self.aside(target), self.path(target));
        blocking(async move || {
            if !is_there(&from)? {
                return Err(ProjectError::Gone { id, url: DatabaseUrl::file(&from).to_string() });
            }
            move_to(&from, &to)
        })
        .await
    }

    pub(crate) async fn remove(&self, target: &str) -> Result<(), ProjectError> {
        let paths = [self.path(target), self.aside(target)];
        blocking(async move || paths.iter().try_for_each(|path| delete(path))).await
    }

    fn path(&self, target: &str) -> PathBuf {
        self.dir.join(format!("{target}.db"))
    }

    fn creating(&self, target: &str) -> PathBuf {
        self.dir.join(format!("{target}.db.creating"))
    }

    fn aside(&self, target: &str) -> PathBuf {
        self.dir.join("archived").join(format!("{target}.db"))
    }

    /// Makes sure that there is a file that the migrations here built.
    async fn make_template(&self) -> Result<PathBuf, ProjectError> {
        let catalog = project(Dialect::Sqlite);
        let head = catalog.head().map(|head| head.version.to_string()).unwrap_or_default();
        let path = self.dir.join(format!("template_{head}.db"));
        let building = self.dir.join(format!("template_{head}.{}.new", std::process::id()));
        let (options, done) = (self.migration.clone(), path.clone());
        let wrong = |error: underpin::Error| ProjectError::Template(with_causes(&error));
        blocking(async move || {
            durable::create_dir_all(building.parent().unwrap_or(Path::new(".")))
                .map_err(ProjectError::file("create the directory of", &building))?;
            if path.exists() && is_head(&path, &options).await {
                return Ok(());
            }
            let url = DatabaseUrl::file(&building);
            let engine = Engine::new(catalog, CODE, &url, options.clone()).map_err(wrong)?;
            engine.migrate(&Goal::Head).await.map_err(wrong)?;
            checkpoint();
            if !is_head(&building, &options).await {
                let reason = format!("`{}` did not come out well", building.display());
                return Err(ProjectError::Template(reason));
            }
            // One that was there is of another release, or broken.
            fs::rename(&building, &path)
                .and_then(|()| durable::sync_name(&path))
                .map_err(ProjectError::file("create", &path))
        })
        .await?;
        Ok(done)
    }
}

/// Whether the file at `path` is sound and what the migrations here build, no more and no less.
async fn is_head(path: &Path, options: &underpin::Options) -> bool {
    let url = DatabaseUrl::file(path);
    let read_only = ConnectOptions { access: Access::ReadOnly, ..ConnectOptions::default() };
    let sound = async {
        let mut conn = url.connect(&read_only).await.ok()?;
        let check = conn.text("PRAGMA integrity_check").await.ok()??;
        let rows = conn.text("SELECT CAST(count(*) AS TEXT) FROM projects").await.ok()??;
        let engine = Engine::new(project(Dialect::Sqlite), CODE, &url, options.clone()).ok()?;
        let Status { pending, problems, .. } = engine.status_on(&mut conn).await.ok()?;
        Some(check == "ok" && rows == "0" && pending.is_empty() && problems.is_empty())
    };
    sound.await.unwrap_or(false)
}

/// Whether somebody else had what was wanted. Diesel hands on the text alone.
fn is_locked(error: &DbError) -> bool {
    error.message.contains("locked")
}

fn is_there(path: &Path) -> Result<bool, ProjectError> {
    path.try_exists().map_err(ProjectError::file("look up", path))
}

/// The names, without the ending, of the databases in a directory, which may be missing.
fn names(dir: &Path) -> Result<HashSet<String>, ProjectError> {
    let unreadable = || ProjectError::file("read the directory", dir);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries.map_err(unreadable())?,
    };
    let mut names = HashSet::new();
    for entry in entries {
        let name = entry.map_err(unreadable())?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".db")).map(str::to_owned));
    }
    Ok(names)
}

/// Deletes the database at `path`, if there is one, with what SQLite and we keep beside it. The database
/// itself goes last: while it is there, what belongs to it is found.
fn delete(path: &Path) -> Result<(), ProjectError> {
    let beside = |end: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        PathBuf::from(file)
    };
    durable::remove_files(&["-shm", "-wal", "-journal", ".underpin.lock", ""].map(beside))
        .map_err(|(file, error)| ProjectError::file("delete", file)(error))
}

/// Moves a file to a place where none is, for good.
fn move_to(from: &Path, to: &Path) -> Result<(), ProjectError> {
    let dir = to.parent().unwrap_or(Path::new("."));
    durable::create_dir_all(dir).map_err(ProjectError::file("create the directory", dir))?;
    durable::move_file(from, to).map_err(ProjectError::file("create", to))
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl AsyncFnOnce() -> Result<T, ProjectError> + Send + 'static,
) -> Result<T, ProjectError> {
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work())).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => {
                let message = error.to_string();
                Err(DbError { message, ..Default::default() }.into())
            }
        },
    }
}
