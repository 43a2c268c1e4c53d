//! How a database stands: what is read without a lock.

use underpin_db::{Access, Conn};

use super::Engine;
use crate::{
    Error, Goal, History, Log, Marks, Report, Schema, Status, history::Tables, lock,
    session::Session,
};

/// How a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is applied.
    pub history: History,
    /// Whether there are tables of somebody: with an empty history, a schema to be adopted.
    pub has_tables: bool,
}

impl Standing {
    /// Whether the schema has to be recognised before anything can be said of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.has_tables && self.history.is_fresh()
    }
}

impl Engine<'_> {
    /// How the database stands. Takes two reads and no lock.
    pub async fn status(&self) -> Result<Status, Error> {
        let mut conn = self.connect(Access::ReadOnly).await?;
        self.status_on(&mut conn).await
    }

    /// [`Engine::status`] on a connection that is there already.
    pub async fn status_on(&self, conn: &mut Conn) -> Result<Status, Error> {
        let tables = Tables::find(conn).await?;
        let history = self.look(conn, &tables).await?;
        Ok(self.status_of(&history))
    }

    /// All that the database tells about its history.
    pub async fn log(&self) -> Result<Log, Error> {
        let mut session = self.session(Access::ReadOnly).await?;
        Ok(Log {
            history: self.look(&mut session.conn, &session.tables).await?,
            records: session.tables.records(&mut session.conn).await?,
            run_on: session.tables.run_on(&mut session.conn).await?,
        })
    }

    /// How the database stands. The header of an SQLite file tells, when `marks` are given and it can
    /// be trusted; otherwise the history is read. Takes no lock.
    pub async fn standing(&self, marks: Option<&Marks<'_>>) -> Result<Standing, Error> {
        if let (Some(marks), Some(path)) = (marks, self.url.sqlite_path())
            && let Ok(Some(history)) = marks.history(path)
        {
            let has_tables = !history.applied.is_empty();
            return Ok(Standing { history, has_tables });
        }
        let mut conn = self.connect(Access::ReadOnly).await?;
        let tables = Tables::find(&mut conn).await?;
        let history = self.look(&mut conn, &tables).await?;
        let has_tables =
            !history.is_fresh() || !Schema::inspect(&mut conn, tables.schema()).await?.is_empty();
        Ok(Standing { history, has_tables })
    }

    /// What is applied. What looks interrupted may be under way: then it says who runs it.
    pub(super) async fn look(&self, conn: &mut Conn, tables: &Tables) -> Result<History, Error> {
        let mut history = tables.read(conn, self.catalog).await?;
        while history.interrupted.is_some() {
            let runner = lock::at_work(self.url, conn, tables).await;
            if let (Some(runner), Some(interrupted)) = (runner, &mut history.interrupted) {
                interrupted.runner = Some(runner);
                break;
            }
            // The runner may have come to its end between the two looks.
            let again = tables.read(conn, self.catalog).await?;
            if again == history {
                break;
            }
            history = again;
        }
        Ok(history)
    }

    /// Behind a pooler: whether nobody is at work.
    pub(super) async fn is_idle_pool(&self, session: &mut Session<'_>) -> bool {
        let Session { conn, tables, .. } = session;
        conn.is_pooled() && lock::at_work(self.url, conn, tables).await.is_none()
    }

    /// How a database with this history stands.
    #[must_use]
    pub fn status_of(&self, history: &History) -> Status {
        Status::of(self.catalog, history)
    }

    /// Whether some migrations of `report` run outside a transaction, which a pooler may not take: only
    /// [`Engine::dry_run`] finds that out.
    #[must_use]
    pub fn runs_outside(&self, report: &Report) -> bool {
        let outside =
            |version| self.catalog.get(version).is_some_and(|one| !one.metadata.run_in_transaction);
        report.steps.iter().any(|step| outside(&step.version))
    }

    /// What [`Engine::migrate`] would do to a database that stands so. An unknown schema has to be
    /// looked at with [`Engine::dry_run`], and so has one of PostgreSQL where the report
    /// [runs outside](Engine::runs_outside) a transaction.
    pub fn dry_run_of(&self, standing: &Standing, goal: &Goal) -> Result<Report, Error> {
        let plan = self.plan(&standing.history, goal)?;
        let empty = standing.history.is_fresh() && !standing.has_tables;
        let grouping = self.options.grouping.of(empty);
        Ok(self.announce(&plan, None, grouping, &standing.history))
    }
}
