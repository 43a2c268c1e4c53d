//! Runs the steps of one transaction: scripts and history together, or not at all.

mod postgres;
mod sqlite;

use std::time::Instant;

use underpin_catalog::{Dialect, statement};
use underpin_db::DbError;

use crate::{
    Left, Place, Step, StepCause, StepError, StepReport, plan::counts_on_its_transaction,
    session::Session,
};

/// PostgreSQL's code, of our own making, for a script that leaves something to be done at the end of a
/// transaction that goes on.
const PENDING: &str = "UL002";

/// PostgreSQL's code for a label of an enum that is used in the transaction that adds it.
const UNSAFE_LABEL: &str = "55P04";

/// A step that failed, before it is known what of the run stays.
pub(crate) struct Failure {
    index: usize,
    place: Option<Place>,
    cause: StepCause,
    /// Nobody could tell how the transaction ended.
    lost: bool,
    /// Why the steps cannot share a transaction: each has to run in its own.
    pub(crate) apart: Option<String>,
}

impl Failure {
    pub(crate) fn new(index: usize, cause: impl Into<StepCause>) -> Self {
        Self { index, place: None, cause: outside(cause.into()), lost: false, apart: None }
    }

    /// The steps cannot share a transaction, for something stays of the one at `index`.
    pub(crate) fn apart(index: usize, step: &Step<'_>, stays: &str) -> Self {
        let apart =
            format!("{stays} of migration {} would reach the next one", step.migration.version);
        Self { apart: Some(apart.clone()), ..Self::new(index, StepCause::Stays(apart)) }
    }

    /// SQLite: a busy file is told by its name.
    fn name_file(&mut self, session: &Session<'_>) {
        if self.cause.is_busy()
            && let Some(path) = session.again.as_ref().and_then(|(url, _)| url.sqlite_path())
        {
            self.cause = StepCause::Busy { path: path.to_owned() };
        }
    }

    /// PostgreSQL: somebody else kept a table locked for longer than `lock_timeout`.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.cause.database().is_some_and(|error| error.sqlstate.as_deref() == Some("55P03"))
    }

    /// PostgreSQL: another runner recorded a step after the snapshot of this transaction was taken, which
    /// its lock then let begin.
    pub(crate) fn is_overtaken(&self) -> bool {
        let state = self.cause.database().and_then(|error| error.sqlstate.as_deref());
        self.place.is_none() && matches!(state, Some("40001" | "23505" | "42P07"))
    }

    /// PostgreSQL: notes why the steps cannot share a transaction although each may run in one of its
    /// own, where what the server said tells.
    fn parted(self, steps: &[Step<'_>]) -> Self {
        let state = self.cause.database().and_then(|error| error.sqlstate.as_deref());
        let reason = match state {
            Some(PENDING) => "deferred constraints or triggers are due when one of them ends",
            Some("55006") => "changes of a table are due when one of them ends",
            Some(UNSAFE_LABEL) => {
                "a label of an enum can be used when the one that adds it has ended"
            }
            // Values that two transactions would tell apart.
            Some("23505" | "23P01") if steps.iter().any(counts_on_its_transaction) => {
                "the time and the number of a transaction are the same for all of them"
            }
            Some("53200") => "the server has no room for the locks of all of them",
            _ => return self,
        };
        Self { apart: Some(reason.to_owned()), ..self }
    }

    /// The same, where `steps` were to share one transaction in any case.
    fn told_apart(self, steps: &[Step<'_>]) -> Self {
        match (self.apart.clone(), self.cause) {
            (Some(reason), StepCause::Database(source)) if steps.len() > 1 => {
                let cause = StepCause::Stays(format!("{source}: {reason}"));
                Self { cause, ..self }
            }
            (_, cause) => Self { cause: used_at_once(cause), ..self },
        }
    }

    /// The error for people, when the transaction of `steps` has been rolled back.
    pub(crate) fn rolled_back(self, steps: &[Step<'_>], blockers: Option<String>) -> StepError {
        let blockers = blockers.filter(|_| self.is_lock_timeout());
        let this = self.told_apart(steps);
        let migration = steps[this.index].migration;
        let left = match this.cause {
            _ if this.lost => Left::Unknown,
            StepCause::TransactionEnded => Left::Committed,
            _ => Left::Nothing,
        };
        let undone = if left == Left::Nothing { &steps[..this.index] } else { &[] };
        StepError {
            version: migration.version.clone(),
            name: migration.name.clone().into_owned(),
            direction: steps[this.index].direction,
            place: this.place,
            left,
            undone: undone.iter().map(|one| one.migration.version.clone()).collect(),
            kept: Vec::new(),
            blockers,
            cause: this.cause,
        }
    }
}

/// PostgreSQL tells by these codes what cannot run in a transaction, where its text alone does not.
fn outside(mut cause: StepCause) -> StepCause {
    if let StepCause::Database(error) = &mut cause
        && matches!(error.sqlstate.as_deref(), Some("25001" | "2D000"))
    {
        let hint = "it cannot run in a transaction: set `run_in_transaction = false` in \
                    `metadata.toml`, and best give it a migration of its own";
        error.hint.get_or_insert_with(|| hint.to_owned());
    }
    cause
}

/// PostgreSQL's own words say that the label is to be committed, which a script cannot do.
fn used_at_once(mut cause: StepCause) -> StepCause {
    if let StepCause::Database(error) | StepCause::Code { source: error, .. } = &mut cause
        && error.sqlstate.as_deref() == Some(UNSAFE_LABEL)
    {
        error.hint = Some(
            "a label of an enum can be used when the transaction that adds it has ended: use it in a later \
             migration, or set `run_in_transaction = false` in `metadata.toml`"
                .to_owned(),
        );
    }
    cause
}

/// Runs `steps` in one transaction. When this fails, nothing of it is left.
pub(crate) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    match session.conn.dialect() {
        Dialect::Sqlite => sqlite::run(session, steps).await,
        Dialect::Postgres => postgres::run(session, steps).await,
    }
}

/// Where `statement`, counted from 0, is in its script.
pub(crate) fn place(number: usize, statement: &statement::Statement<'_>) -> Place {
    let line = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let excerpt = match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    };
    Place { statement: number + 1, line: statement.line, excerpt }
}

pub(crate) fn report(step: &Step<'_>, elapsed_ms: u64, notes: Vec<String>) -> StepReport {
    StepReport {
        version: step.migration.version.clone(),
        name: step.migration.name.clone().into_owned(),
        direction: step.direction,
        code: step.code.map(|code| code.name),
        elapsed_ms: Some(elapsed_ms),
        notes,
    }
}

pub(crate) fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Session<'_> {
    /// Ends whatever transaction is open. That there may be none, or no connection any more, is
    /// the very case this is called for.
    ///
    /// On PostgreSQL the session is as new then, and fit for our own statements.
    pub(crate) async fn roll_back(&mut self) {
        if let Err(error) = self.conn.start_over().await {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    /// SQLite: whether a transaction is open. A second `BEGIN` fails inside one, and changes nothing.
    pub(crate) async fn in_transaction(&mut self) -> bool {
        self.conn.batch("BEGIN").await.is_err()
    }

    /// What the step's own query says that people must know.
    pub(crate) async fn notes(&mut self, step: &Step<'_>) -> Result<Vec<String>, DbError> {
        match step.notes_query() {
            Some(query) => self.people_query(query).await,
            None => Ok(Vec::new()),
        }
    }

    /// The answers to a query that people wrote, with their settings.
    pub(crate) async fn people_query(&mut self, query: &str) -> Result<Vec<String>, DbError> {
        self.as_user().await?;
        let answers = self.conn.texts(query).await?;
        self.as_ours().await?;
        Ok(answers)
    }
}
