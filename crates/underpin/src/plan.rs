//! What a run will do, decided from data alone.
//!
//! Planning takes the catalog, what a database says has been applied, a goal and a policy, and
//! gives steps or a refusal. It touches no database, so a refusal changes nothing.

use std::borrow::Cow;

use underpin_catalog::{Catalog, Dialect, Migration, Version, statement};
use underpin_db::Code;

mod together;

pub use together::Grouping;
pub(crate) use together::{counts_on_its_transaction, resets_path};

use crate::{
    History, Interrupted, Refusal, Refused,
    history::{Note, changed},
    stepwise::{self, Open},
};

/// How far a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Apply all that is pending.
    Head,
    /// Apply at most so many of what is pending.
    Up(usize),
    /// Apply what is pending up to this version, which the catalog has.
    UpTo(Version),
    /// Apply this one, which the catalog has, and nothing else.
    Only(Version),
    /// Take back at most so many of what is applied, newest first.
    Down(usize),
    /// Take back what is newer than this version, which is applied.
    DownTo(Version),
    /// Take back all that is applied.
    Base,
}

/// What a run may do although it is unusual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Apply a pending migration that is older than an applied one.
    pub allow_out_of_order: bool,
    /// Run although the database has a migration that the catalog does not.
    pub allow_missing: bool,
    /// Go on with a migration that was interrupted, after the statements that are recorded as done.
    pub resume: bool,
}

/// Which script of a migration runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// `up.sql`.
    Up,
    /// `down.sql`.
    Down,
}

/// One migration of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// What is applied or taken back.
    pub migration: &'a Migration,
    /// Which script of it.
    pub direction: Direction,
    /// The script's text.
    pub script: Cow<'a, str>,
    /// What runs in Rust after the script.
    pub code: Option<Code>,
    /// In which dialect.
    pub dialect: Dialect,
    /// Of a script outside a transaction: statements that an interrupted run has done already.
    pub resumed: Option<usize>,
    /// What the interrupted run wrote down of itself.
    pub(crate) note: Option<Note>,
    /// The statements done that a new connection needs once more, in their order.
    pub(crate) again: Vec<usize>,
    /// Where the script's statements are.
    pieces: Vec<Piece>,
}

/// Where a statement is in its script: a script is split once, and that often in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    offset: usize,
    length: usize,
    line: usize,
    kind: statement::Kind,
}

impl Step<'_> {
    /// The script's statements.
    pub(crate) fn statements(&self) -> Vec<statement::Statement<'_>> {
        let statement = |piece: &Piece| statement::Statement {
            text: &self.script[piece.offset..piece.offset + piece.length],
            offset: piece.offset,
            line: piece.line,
            kind: piece.kind,
        };
        self.pieces.iter().map(statement).collect()
    }

    /// All that runs of what people wrote: the script, and the query for notes.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self.notes_query() {
            None => Cow::Borrowed(&self.script),
            Some(notes) => Cow::Owned(format!("{}\n{notes}", self.script)),
        }
    }

    /// What to ask the database about people's data after the script.
    pub(crate) fn notes_query(&self) -> Option<&str> {
        match self.direction {
            Direction::Up => self.migration.metadata.notes.as_deref(),
            Direction::Down => None,
        }
    }
}

/// What a run will do, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// All in one direction.
    pub steps: Vec<Step<'a>>,
}

/// Decides what a run does to a database with this history.
///
/// `code` is what the program brings of the functions that migrations name. The error names
/// everything that is in the way, not only the first.
pub fn plan<'a>(
    catalog: &'a Catalog,
    code: &[Code],
    history: &History,
    goal: &Goal,
    policy: Policy,
) -> Result<Plan<'a>, Refused> {
    let mut refusals = disagreements(catalog, history, policy);
    let migrations = chosen(catalog, history, goal);
    let direction = goal.direction();
    let other_way =
        |one: &&Interrupted| policy.resume && one.runner.is_none() && one.direction != direction;
    refusals.extend(history.interrupted.as_ref().filter(other_way).map(Interrupted::refusal));
    if direction == Direction::Up && !policy.allow_out_of_order {
        refusals.extend(out_of_order(history, &migrations));
    }
    let mut steps = Vec::with_capacity(migrations.len());
    for migration in migrations {
        match step(catalog, code, history, migration, direction) {
            Ok(step) => steps.push(step),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(Plan { steps }) } else { Err(Refused(refusals)) }
}

/// Where the catalog and the history contradict each other, whatever the goal.
#[must_use]
pub fn disagreements(catalog: &Catalog, history: &History, policy: Policy) -> Vec<Refusal> {
    let taken = |(version, set): (&Version, &String)| Refusal::Taken {
        version: version.clone(),
        set: set.clone(),
    };
    let mut refusals: Vec<_> = history.taken.iter().map(taken).collect();
    let respelled = |version: &Version| {
        let alike = catalog.migrations().iter().find(|one| one.version.is_like(version))?;
        let (applied, catalog) = (version.clone(), alike.version.clone());
        (!history.applied.contains_key(&catalog)).then_some(Refusal::Respelled { applied, catalog })
    };
    for (version, checksum) in &history.applied {
        match (catalog.get(version), checksum) {
            (None, _) if respelled(version).is_some() => refusals.extend(respelled(version)),
            (None, _) if policy.allow_missing => {}
            (None, _) => refusals.push(Refusal::Missing { version: version.clone() }),
            (Some(migration), Some(applied)) if *applied != migration.checksum => {
                refusals.push(Refusal::Diverged {
                    version: version.clone(),
                    applied: *applied,
                    catalog: migration.checksum,
                });
            }
            (Some(_), _) => {}
        }
    }
    match &history.interrupted {
        Some(running) if running.runner.is_some() => refusals.push(running.refusal()),
        Some(interrupted) => {
            let Interrupted { version, direction, done, .. } = interrupted.clone();
            match catalog.get(&version) {
                None => refusals.push(Refusal::InterruptedMissing { version, direction, done }),
                Some(_) if interrupted.is_damaged() => refusals.push(interrupted.refusal()),
                Some(migration) => {
                    refusals.extend(interrupted.edited(catalog));
                    if migration.metadata.run_in_transaction {
                        refusals.push(Refusal::InTransactionNow { version, done });
                    } else if !policy.resume {
                        refusals.push(interrupted.refusal());
                    }
                }
            }
        }
        None => {}
    }
    refusals
}

/// What is in the catalog and not in the history, ascending.
#[must_use]
pub fn pending<'a>(
    catalog: &'a Catalog,
    history: &History,
) -> impl DoubleEndedIterator<Item = &'a Migration> {
    let applied = &history.applied;
    catalog.migrations().iter().filter(move |one| !applied.contains_key(&one.version))
}

fn applied<'a>(
    catalog: &'a Catalog,
    history: &History,
) -> impl DoubleEndedIterator<Item = &'a Migration> {
    let applied = &history.applied;
    catalog.migrations().iter().filter(move |one| applied.contains_key(&one.version))
}

/// The pending migrations that are older than the newest applied one.
pub(crate) fn out_of_order(
    history: &History,
    pending: &[&Migration],
) -> impl Iterator<Item = Refusal> {
    let head = history.head().cloned();
    let late = |migration: &&Migration| head.as_ref().is_some_and(|head| migration.version < *head);
    let late: Vec<_> = pending.iter().copied().filter(late).collect();
    late.into_iter().filter_map(move |migration| {
        Some(Refusal::OutOfOrder { version: migration.version.clone(), head: head.clone()? })
    })
}

fn chosen<'a>(catalog: &'a Catalog, history: &History, goal: &Goal) -> Vec<&'a Migration> {
    match goal {
        Goal::Head => pending(catalog, history).collect(),
        Goal::Up(count) => pending(catalog, history).take(*count).collect(),
        Goal::UpTo(version) => {
            pending(catalog, history).take_while(|one| one.version <= *version).collect()
        }
        Goal::Only(version) => {
            pending(catalog, history).filter(|one| one.version == *version).collect()
        }
        Goal::Down(count) => applied(catalog, history).rev().take(*count).collect(),
        Goal::DownTo(version) => {
            applied(catalog, history).rev().take_while(|one| one.version > *version).collect()
        }
        Goal::Base => applied(catalog, history).rev().collect(),
    }
}

fn step<'a>(
    catalog: &Catalog,
    code: &[Code],
    history: &History,
    migration: &'a Migration,
    direction: Direction,
) -> Result<Step<'a>, Refusal> {
    let version = &migration.version;
    let script = match direction {
        Direction::Up => (&*migration.up).into(),
        Direction::Down => migration
            .down()
            .map_err(|error| Refusal::Unreadable {
                version: version.clone(),
                message: error.to_string(),
            })?
            .ok_or_else(|| Refusal::Irreversible { version: version.clone() })?,
    };
    let pieces = check_script(catalog, migration, direction, &script)?;
    let code = match direction {
        Direction::Up => code_of(migration, code)?,
        Direction::Down => None,
    };
    let resumed = history.interrupted.as_ref();
    let resumed = resumed.filter(|one| one.version == *version && one.direction == direction);
    let mut step = Step {
        migration,
        direction,
        script,
        code,
        dialect: catalog.dialect(),
        resumed: resumed.map(|one| one.done),
        note: resumed.and_then(|one| one.note.clone()),
        again: Vec::new(),
        pieces,
    };
    if let Some(done) = step.resumed {
        let statements = step.statements();
        let (done, rest) = statements.split_at(done.min(statements.len()));
        step.again = stepwise::again(done, rest.first(), step.dialect).map_err(|lost| {
            Refusal::SessionLost {
                version: version.clone(),
                direction,
                statement: lost.number + 1,
                line: lost.line,
                what: lost.what,
            }
        })?;
    }
    Ok(step)
}

/// The function that a migration names; the way back is a script alone.
fn code_of(migration: &Migration, code: &[Code]) -> Result<Option<Code>, Refusal> {
    let Some(name) = migration.metadata.code.as_deref() else { return Ok(None) };
    match code.iter().find(|one| one.name == name) {
        Some(code) => Ok(Some(*code)),
        None => {
            Err(Refusal::UnknownCode { version: migration.version.clone(), code: name.to_owned() })
        }
    }
}

/// A script must not hold what would end the engine's transaction or silently do nothing in it.
fn check_script(
    catalog: &Catalog,
    migration: &Migration,
    direction: Direction,
    script: &str,
) -> Result<Vec<Piece>, Refusal> {
    let refusal = |line, reason: String| Refusal::Script {
        version: migration.version.clone(),
        direction,
        line,
        reason,
    };
    let dialect = catalog.dialect();
    if let Some(letter) = statement::invisible(script, dialect) {
        return Err(refusal(letter.line, letter.to_string()));
    }
    let statements = statement::split(script, dialect)
        .map_err(|error| refusal(error.line, error.to_string()))?;
    let may_be_empty =
        migration.metadata.empty || direction == Direction::Up && migration.metadata.code.is_some();
    if statements.is_empty() && !may_be_empty {
        return Err(Refusal::Empty { version: migration.version.clone(), direction });
    }
    let in_transaction = migration.metadata.run_in_transaction;
    for one in &statements {
        if let Some(reason) = objection(one.kind, in_transaction) {
            return Err(refusal(one.line, reason.to_owned()));
        }
        if let Some(function) = statement::asks_about_the_last(one.text, dialect)
            && !in_transaction
        {
            return Err(refusal(
                one.line,
                format!(
                    "outside a transaction the engine records between the statements of a script how far it \
                     came, and `{function}()` would speak of that: find the row by its key, or let the script \
                     run in a transaction"
                ),
            ));
        }
        // Elsewhere they may be a copy; what the script does there, the run finds out.
        let own = |schema: &str| dialect == Dialect::Sqlite && schema.eq_ignore_ascii_case("main");
        if let Some(table) = changed(one.text, dialect)
            && table.schema.as_deref().is_none_or(own)
        {
            return Err(refusal(
                one.line,
                format!(
                    "this changes the history in `{}`: leave that table to the engine",
                    table.name
                ),
            ));
        }
    }
    if let Some(begin) = left_open(&statements, dialect) {
        let end = match statement::control(begin.text, dialect) {
            Some(statement::Control::Savepoint) => "RELEASE",
            _ => "COMMIT",
        };
        let reason =
            format!("this begins a transaction that the script does not end: end it with `{end}`");
        return Err(refusal(begin.line, reason));
    }
    let piece = |one: statement::Statement<'_>| Piece {
        offset: one.offset,
        length: one.text.len(),
        line: one.line,
        kind: one.kind,
    };
    Ok(statements.into_iter().map(piece).collect())
}

/// The statement that begins a transaction which none of those after it ends.
fn left_open<'s, 't>(
    statements: &'s [statement::Statement<'t>],
    dialect: Dialect,
) -> Option<&'s statement::Statement<'t>> {
    let numbered = statements.iter().enumerate();
    let open = numbered.fold(None, |open, (number, one)| Open::after(open, number, one, dialect));
    statements.get(open?.began()?)
}

fn objection(kind: statement::Kind, in_transaction: bool) -> Option<&'static str> {
    use statement::Kind;
    match kind {
        Kind::TransactionControl if in_transaction => Some(
            "transaction control would part the script from its history: remove it, or set \
             `run_in_transaction = false` in `metadata.toml`",
        ),
        Kind::ForeignKeysPragma if in_transaction => Some(
            "SQLite ignores `PRAGMA foreign_keys` inside a transaction: remove it and set \
             `foreign_keys = false` under `[underpin]` in `metadata.toml`",
        ),
        Kind::NotInTransaction if in_transaction => Some(
            "this statement cannot run inside a transaction: set `run_in_transaction = false` in \
             `metadata.toml`, and best give it a migration of its own",
        ),
        Kind::MetaCommand => {
            Some("this is a command of `psql` or `sqlite3`, not SQL: remove it, or write it as SQL")
        }
        Kind::CopyIn => Some(
            "the rows of `COPY … FROM STDIN` come from `psql`, and a migration has none to send: write \
             `INSERT`, or load them with `\\copy` of `psql` afterwards",
        ),
        Kind::StringsOff => Some(
            "scripts are read with `standard_conforming_strings = on`, and this would let later strings end \
             elsewhere: remove it, and write `E'…'` where a backslash escapes",
        ),
        Kind::BeforeQueries if in_transaction => Some(
            "the server takes this only before the first query of a transaction, and the engine's own comes \
             first: set `run_in_transaction = false` in `metadata.toml`, and write the level where the script \
             begins a transaction of its own, as in `BEGIN ISOLATION LEVEL SERIALIZABLE`",
        ),
        Kind::BeforeQueries => Some(
            "the server takes this only before the first query of a transaction, and outside a transaction the \
             engine records between the statements of a script how far it came: write the level where the \
             transaction begins, as in `BEGIN ISOLATION LEVEL SERIALIZABLE`",
        ),
        Kind::ReadOnly => Some(
            "the engine writes into the same transaction how far the script came, and a read-only one does not \
             take that: leave `READ ONLY` out",
        ),
        Kind::OtherEncoding => Some(
            "scripts are UTF-8, and so is all that the engine sends and reads, which this would have taken for \
             another encoding: leave it out, and save the script as UTF-8",
        ),
        Kind::CopyOut => Some(
            "`COPY … TO STDOUT` sends rows to a client such as `psql`, and nobody reads them here: \
             remove it, or copy to a table or to a file of the server",
        ),
        _ => None,
    }
}

impl Goal {
    /// Which way it leads.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Self::Head | Self::Up(_) | Self::UpTo(_) | Self::Only(_) => Direction::Up,
            Self::Down(_) | Self::DownTo(_) | Self::Base => Direction::Down,
        }
    }
}
