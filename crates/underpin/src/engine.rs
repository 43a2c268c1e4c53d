//! The one way in: the command line, the service and the tests all run this.

mod backup;
mod lent;
mod preview;
mod record;
mod redo;
mod standing;

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use underpin_catalog::{Catalog, Dialect, Version};
use underpin_db::{Access, Code, Conn, ConnectOptions, DatabaseUrl};

pub use standing::Standing;

use crate::{
    Direction, Error, Goal, Grouping, History, Options, Plan, Proof, Refusal, Refused, Report,
    Step, StepCause, StepError, StepReport, adopt,
    checkpoint::checkpoint,
    lock::{Lock, RunLock, jittered},
    plan::{plan, resets_path},
    proof::Proving,
    session::Session,
    stepwise,
    transaction::{self, Failure},
};

/// Brings one database to where a catalog wants it.
///
/// On SQLite the work is done where the returned futures are polled: call it from a thread that
/// may block.
#[derive(Debug, Clone)]
pub struct Engine<'a> {
    catalog: &'a Catalog,
    code: &'a [Code],
    url: &'a DatabaseUrl,
    options: Options,
    proving: Option<Proving<'a>>,
    backup: Option<PathBuf>,
    run: Option<&'a RunLock>,
    spares_last: bool,
}

impl<'a> Engine<'a> {
    /// An engine for the database at `url`, whose dialect must be the catalog's.
    ///
    /// `code` holds the functions that migrations may name in their `metadata.toml`. A migration
    /// whose function is not among them is refused before anything runs; functions that no
    /// migration names do no harm.
    pub fn new(
        catalog: &'a Catalog,
        code: &'a [Code],
        url: &'a DatabaseUrl,
        options: Options,
    ) -> Result<Self, Error> {
        if catalog.dialect() == url.dialect() {
            return Ok(Self {
                catalog,
                code,
                url,
                options,
                proving: None,
                backup: None,
                run: None,
                spares_last: false,
            });
        }
        Err(Error::Dialect { catalog: catalog.dialect(), url: url.dialect() })
    }

    /// Proves each transaction before it is committed: that the schema is what its version builds and,
    /// with `rows`, that a table which no script names keeps as many rows as it had. What fails is
    /// rolled back.
    ///
    /// Counting reads every table twice, on PostgreSQL in a snapshot that the transaction keeps.
    #[must_use]
    pub fn proving(mut self, proof: &'a Proof, rows: bool) -> Self {
        self.proving = Some(Proving { proof, rows });
        self
    }

    /// Copies an SQLite database to the file `to` before it is changed, under the same lock, and proves
    /// the copy. Something of that name in the way is an error, and nothing is changed.
    ///
    /// PostgreSQL has programs for this, which know more than a migration engine:
    /// [`Error::NoBackup`].
    pub fn backing_up(self, to: PathBuf) -> Result<Self, Error> {
        match self.catalog.dialect() {
            Dialect::Sqlite => Ok(Self { backup: Some(to), ..self }),
            Dialect::Postgres => Err(Error::NoBackup),
        }
    }

    /// Ends a run that would leave nothing applied with [`Error::LeavesNothing`], before it changes
    /// anything.
    #[must_use]
    pub fn sparing_last(self) -> Self {
        Self { spares_last: true, ..self }
    }

    /// For a run that holds `lock` and has seen what there is to do. On SQLite [`Engine::migrate`] then
    /// takes the lock of the file before it reads the history, as another name of `lock`'s file, and
    /// creates no file.
    #[must_use]
    pub fn in_run(self, lock: &'a RunLock) -> Self {
        Self { run: Some(lock), ..self }
    }

    /// What the versions of the catalog build. On PostgreSQL this takes the right to create a schema,
    /// which is rolled back.
    pub async fn proof(&self) -> Result<Proof, Error> {
        let memory = DatabaseUrl::memory();
        let url = if self.catalog.dialect() == Dialect::Sqlite { &memory } else { self.url };
        let conn = url.connect(&self.connect_options(Access::Create)).await?;
        Proof::build(&mut Session::new(conn, self.catalog).await?).await
    }

    /// The schema of the database, without what tools keep for themselves.
    pub async fn schema(&self) -> Result<crate::Schema, Error> {
        let mut session = self.session(Access::ReadOnly).await?;
        session.inspect().await
    }

    /// Opens a connection as the engine uses it.
    pub async fn connect(&self, access: Access) -> Result<Conn, Error> {
        Ok(self.url.connect(&self.connect_options(access)).await?)
    }

    /// Goes to `goal`. A database with tables and no history is recognised first.
    pub async fn migrate(&self, goal: &Goal) -> Result<Report, Error> {
        let access = match goal.direction() {
            // A run has seen the file: one that is gone since must not come back empty.
            Direction::Up if self.run.is_none() => Access::Create,
            Direction::Up | Direction::Down => Access::ReadWrite,
        };
        let mut session = self.session(access).await?;
        let (mut seen, mut refused) = (None, None);
        if self.run.is_none() {
            let history = session.history().await?;
            match self.plan_for(&session, &history, goal) {
                Ok(plan) if plan.steps.is_empty() => {
                    return Ok(self.report(None, Vec::new(), false, &history));
                }
                Ok(plan) => seen = Some((history, plan)),
                // A runner that is at work may be about to change that: it is final under the lock.
                Err(refusal) => refused = Some(refusal),
            }
        }
        if refused.is_some() && self.is_idle_pool(&mut session).await {
            // There the lock is a table, which a refusal must not make.
            let history = session.refresh().await?;
            self.plan_for(&session, &history, goal)?;
        }
        let mut lock = match (self.lock(&mut session).await, refused) {
            (Ok(lock), _) => lock,
            // Without the right to take the lock there is nothing that could be resolved.
            (Err(error), Some(refused)) if !matches!(error, Error::Locked { .. }) => {
                tracing::debug!(%error, "the refusal is not looked at again");
                return Err(refused.into());
            }
            (Err(error), _) => return Err(error),
        };
        let result = self.migrate_locked(&mut session, &mut lock, goal, seen).await;
        lock.release().await;
        checkpoint();
        result
    }

    async fn migrate_locked(
        &self,
        session: &mut Session<'_>,
        lock: &mut Lock,
        goal: &Goal,
        seen: Option<(History, Plan<'_>)>,
    ) -> Result<Report, Error> {
        let mut history = session.refresh().await?;
        checkpoint();
        let mut plan = match seen {
            Some((before, plan)) if before == history => plan,
            _ => self.plan_for(session, &history, goal)?,
        };
        self.spare_last(&history, &plan)?;
        let mut adopted = None;
        let mut grouping = self.options.grouping.of(false);
        let fresh = history.is_fresh() && goal.direction() == Direction::Up;
        // A copy of what stays as it is would pass for one of what was before.
        if fresh || !plan.steps.is_empty() {
            self.back_up(session).await?;
        }
        if fresh {
            adopted = adopt::adopt(session).await?;
            if adopted.is_some() {
                history = session.refresh().await?;
                plan = self.plan_for(session, &history, goal)?;
            } else {
                grouping = self.options.grouping.of(true);
                session.expects_empty = true;
            }
        }
        let (steps, single) = self.run(session, lock, &plan, grouping).await?;
        Ok(self.report(adopted, steps, single, &history.after(&plan)))
    }

    /// Leaving nothing applied takes all data of the set along, so somebody must mean it.
    fn spare_last(&self, history: &History, plan: &Plan<'_>) -> Result<(), Error> {
        let leaves_nothing = !plan.steps.is_empty() && history.after(plan).applied.is_empty();
        if self.spares_last && leaves_nothing { Err(Error::LeavesNothing) } else { Ok(()) }
    }

    fn plan(&self, history: &History, goal: &Goal) -> Result<Plan<'a>, Refused> {
        let plan = plan(self.catalog, self.code, history, goal, self.options.policy)?;
        match plan.parted_by() {
            Some((version, reason)) if self.options.grouping == Grouping::Single => {
                Err(Refused(vec![Refusal::NotTogether { version: version.clone(), reason }]))
            }
            _ => Ok(plan),
        }
    }

    /// [`Engine::plan`], without what cannot be done on the connection of `session`.
    fn plan_for(
        &self,
        session: &Session<'_>,
        history: &History,
        goal: &Goal,
    ) -> Result<Plan<'a>, Refused> {
        let plan = self.plan(history, goal)?;
        if !session.conn.is_pooled() {
            return Ok(plan);
        }
        let lost = plan.steps.iter().filter(|step| {
            let outside = !step.migration.metadata.run_in_transaction;
            let named = session.conn.names_path();
            let lost = session.conn.begins_otherwise() || stepwise::sets_the_session(step);
            outside && lost || named && resets_path(&step.script)
        });
        let refusal =
            |step: &Step<'_>| Refusal::NeedsSession { version: step.migration.version.clone() };
        let refusals: Vec<_> = lost.map(refusal).collect();
        if refusals.is_empty() { Ok(plan) } else { Err(Refused(refusals)) }
    }

    /// Runs the steps of `plan`, and says whether they shared one transaction.
    async fn run(
        &self,
        session: &mut Session<'_>,
        lock: &mut Lock,
        plan: &Plan<'_>,
        grouping: Grouping,
    ) -> Result<(Vec<StepReport>, bool), Error> {
        let mut reports: Vec<StepReport> = Vec::with_capacity(plan.steps.len());
        let mut single = grouping.shares() && plan.shares_one_transaction();
        if let Some((version, reason)) = plan.parted_by().filter(|_| grouping.shares()) {
            tracing::info!(
                target: crate::LOG_TARGET,
                "each migration runs in a transaction of its own: migration {version} shares none: {reason}"
            );
        }
        let mut transactions: VecDeque<_> = plan.transactions(grouping).into();
        while let Some(steps) = transactions.pop_front() {
            let done = match steps {
                [step] if !step.migration.metadata.run_in_transaction => {
                    stepwise::run(session, lock, step).await.map(|report| vec![report])
                }
                _ => match self.transaction(session, lock, steps).await {
                    Ok(done) => Ok(done),
                    Err(Failed::Step(error)) => Err(*error),
                    Err(Failed::Apart(reason)) => {
                        tell_apart(&reason);
                        single = false;
                        steps.chunks(1).rev().for_each(|one| transactions.push_front(one));
                        continue;
                    }
                },
            };
            let done = done.map_err(|mut error| {
                error.kept = reports.iter().map(|report| report.version.clone()).collect();
                failed(error)
            })?;
            session.tables.diesel = true;
            session.tables.own = true;
            session.expects_empty = false;
            done.iter().for_each(announce);
            reports.extend(done);
        }
        Ok((reports, single))
    }

    /// Whether steps that cannot share a transaction may have one each.
    fn may_part(&self, steps: &[Step<'_>]) -> bool {
        steps.len() > 1 && self.options.grouping != Grouping::Single
    }

    fn counts_rows(&self) -> bool {
        self.proving.is_some_and(|proving| proving.rows)
    }

    /// Runs one transaction, again when PostgreSQL's `lock_timeout` ended it.
    async fn transaction(
        &self,
        session: &mut Session<'_>,
        lock: &mut Lock,
        steps: &[Step<'_>],
    ) -> Result<Vec<StepReport>, Failed> {
        let mut retries = 0;
        loop {
            let (result, blockers) = match lock {
                Lock::Postgres(lock) => lock.watch(session, steps, &self.options).await,
                Lock::Sqlite(file) if !file.is_held() => {
                    (Err(Failure::new(0, StepCause::LockLost)), None)
                }
                _ => (transaction::run(session, steps).await, None),
            };
            let failure = match result {
                Ok(reports) => return Ok(reports),
                Err(failure) => failure,
            };
            if let Some(reason) = failure.apart.as_ref().filter(|_| self.may_part(steps)) {
                return Err(Failed::Apart(reason.clone()));
            }
            if failure.is_lock_timeout() && retries < self.options.lock_retries {
                retries += 1;
                self.give_way(&steps[0].migration.version, retries, blockers.as_deref()).await;
                continue;
            }
            return Err(Failed::Step(Box::new(failure.rolled_back(steps, blockers))));
        }
    }

    /// Lets those who hold a lock finish, before try `retries` of `version`.
    async fn give_way(&self, version: &Version, retries: u32, blockers: Option<&str>) {
        tracing::warn!(
            target: crate::LOCK_LOG_TARGET,
            %version, retries,
            "migration {version} waited for a lock held by {}: try {retries} of {}",
            blockers.unwrap_or("an unknown process"),
            self.options.lock_retries,
        );
        tokio::time::sleep(jittered(Duration::from_millis(200) * retries)).await;
    }

    fn report(
        &self,
        adopted: Option<crate::Adopted>,
        steps: Vec<StepReport>,
        single_transaction: bool,
        history: &History,
    ) -> Report {
        Report {
            set: self.catalog.set().to_owned(),
            adopted,
            steps,
            single_transaction,
            head: history.head().cloned(),
        }
    }

    async fn session(&self, access: Access) -> Result<Session<'a>, Error> {
        let conn = self.connect(access).await?;
        checkpoint();
        let mut session = match self.run {
            Some(_) if conn.dialect() == Dialect::Sqlite => Session::on_file(conn, self.catalog),
            _ => Session::new(conn, self.catalog).await?,
        };
        session.proving = self.proving;
        if self.url.sqlite_path().is_some() {
            session.again = Some((self.url.clone(), self.connect_options(Access::ReadWrite)));
        }
        Ok(session)
    }

    async fn lock(&self, session: &mut Session<'_>) -> Result<Lock, Error> {
        let connect = self.connect_options(Access::ReadWrite);
        let lock = Lock::acquire(self.url, &connect, session, &self.options, self.run).await?;
        session.frame = lock.frame(&session.conn);
        if session.counts_rows() {
            session.frame.in_snapshot();
        }
        checkpoint();
        Ok(lock)
    }

    fn connect_options(&self, access: Access) -> ConnectOptions {
        ConnectOptions {
            access,
            application_name: self.options.application_name.clone(),
            lock_timeout: Some(self.options.lock_timeout),
            statement_timeout: self.options.statement_timeout,
            busy_timeout: self.options.lock_wait,
        }
    }
}

/// Why a transaction was rolled back.
enum Failed {
    Step(Box<StepError>),
    /// Its steps cannot share one, for this reason.
    Apart(String),
}

fn tell_apart(reason: &str) {
    tracing::warn!(
        target: crate::LOG_TARGET,
        "each migration runs in a transaction of its own: {reason}"
    );
}

fn failed(error: StepError) -> Error {
    tracing::error!(
        target: crate::LOG_TARGET,
        version = %error.version, name = error.name, outcome = "failed",
        "migration {} {} failed", error.version, error.name
    );
    Error::from(Box::new(error))
}

fn announce(report: &StepReport) {
    let StepReport { version, name, direction, code, elapsed_ms, notes } = report;
    let elapsed_ms = elapsed_ms.unwrap_or_default();
    let outcome = match direction {
        Direction::Up => "applied",
        Direction::Down => "reverted",
    };
    tracing::info!(
        target: crate::LOG_TARGET,
        %version, name, code, elapsed_ms, outcome,
        "{outcome} {version} {name} in {elapsed_ms} ms"
    );
    for note in notes {
        tracing::warn!(target: crate::LOG_TARGET, %version, "{version} {name}: {note}");
    }
}
