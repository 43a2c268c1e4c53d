//! Finds out what a database without a history is, proves it, and stamps what is proven.
//!
//! Nothing that a database says of itself is believed. Its schema is compared with what each
//! version of the catalog builds, and with the known shapes that other programs made. What fits
//! is completed and mapped where its shape says how, compared again, and stamped, all in one
//! transaction. What fits nothing is refused, with the differences to the nearest candidate.

use underpin_catalog::{Catalog, Dialect, Shape, Version, statement};

use crate::{
    Adopted, Difference, DifferenceKind, Direction, Error, History, Left, Schema, StepCause,
    StepError,
    error::Doing,
    frame::CONSTRAINTS,
    rebuild::Guard,
    session::{Entry, Session},
    sql::{identifier, literal},
};

mod fit;
mod reference;
mod refused;

pub(crate) use fit::Expected;
use reference::{Candidate, Reference};
pub(crate) use reference::{in_memory, versions};
pub use refused::AdoptRefused;
pub(crate) use refused::list;

/// What a database turned out to be.
pub(crate) struct Found<'a> {
    description: String,
    version: Version,
    shape: Option<&'a Shape>,
    missing: Vec<Difference>,
    leftovers: Vec<String>,
    expected: Schema,
    notes: Vec<String>,
}

impl Found<'_> {
    /// What adopting it does, or will do.
    pub(crate) fn announce(&self) -> Adopted {
        let added = self.missing.iter().map(|one| format!("adds {}", one.what()));
        let dropped = self.leftovers.iter().map(|table| format!("drops the empty table `{table}`"));
        let mapped = self.shape.filter(|shape| shape.up.is_some());
        let mapped =
            mapped.map(|shape| format!("maps `{}` to version {}", shape.name, self.version));
        Adopted {
            description: self.description.clone(),
            version: self.version.clone(),
            changes: added.chain(dropped).chain(mapped).collect(),
            notes: self.notes.clone(),
        }
    }
}

/// The history of a database that has just been stamped with `version`.
pub(crate) fn history_of(catalog: &Catalog, version: &Version) -> History {
    let upto = catalog.migrations().iter().take_while(|one| one.version <= *version);
    History {
        applied: upto.map(|one| (one.version.clone(), Some(one.checksum))).collect(),
        ..History::default()
    }
}

/// Finds out what the database is, to tell it. `None` when nothing is in it.
pub(crate) async fn recognise<'a>(session: &mut Session<'a>) -> Result<Option<Found<'a>>, Error> {
    if session.inspect().await?.is_empty() {
        return Ok(None);
    }
    let reference = Reference::build(session).await?;
    decide(session, &reference, false).await
}

/// Decides what the database is. When it is `acting`, that is inside the transaction that acts on it, so
/// that what is decided stays true.
async fn decide<'a>(
    session: &mut Session<'a>,
    reference: &Reference<'a>,
    acting: bool,
) -> Result<Option<Found<'a>>, Error> {
    let live = session.inspect().await?;
    let revision = alembic_revision(session).await?;
    if live.is_empty() {
        if let Some(revision) = revision {
            tracing::warn!(
                target: crate::LOG_TARGET,
                "`alembic_version` says `{revision}`, but the database is empty: it is migrated"
            );
        }
        return Ok(None);
    }
    let fitting: Vec<_> = reference
        .candidates
        .iter()
        .filter(|candidate| candidate.shape.is_none() && candidate.schema == live)
        .collect();
    let found = match fitting.as_slice() {
        [] => known_shape(session, reference, &live, acting).await?,
        [one] => one.found(Vec::new(), Vec::new()),
        several => {
            let versions = several.iter().map(|one| one.version.clone()).collect();
            return Err(Error::Adopt(Box::new(AdoptRefused::Ambiguous { versions })));
        }
    };
    Ok(Some(with_claim(found, session.catalog, revision)))
}

/// Notes where `alembic_version` claims something else than the schema shows.
fn with_claim<'a>(mut found: Found<'a>, catalog: &Catalog, revision: Option<String>) -> Found<'a> {
    if let Some(revision) = revision {
        let claim = catalog.alembic().iter().find(|claim| claim.revision == revision);
        let version = &found.version;
        match claim {
            Some(claim) if claim.version == *version => {}
            Some(claim) => found.notes.push(format!(
                "`alembic_version` says `{revision}`, which claims version {}; the schema is \
                 version {version}, and that is believed",
                claim.version
            )),
            None => found.notes.push(format!(
                "`alembic_version` says `{revision}`, which is not known; the schema is version \
                 {version}, and that is believed"
            )),
        }
    }
    found
}

async fn known_shape<'a>(
    session: &mut Session<'a>,
    reference: &Reference<'a>,
    live: &Schema,
    acting: bool,
) -> Result<Found<'a>, Error> {
    let mut closest: Option<(&Candidate<'a>, Vec<Difference>)> = None;
    for candidate in &reference.candidates {
        let differences = candidate.schema.differences(live);
        if let Some(shape) = candidate.shape {
            let (accepted, rest) = shape.sort(differences.clone());
            if rest.is_empty() && all_empty(session, &accepted.leftovers, acting).await? {
                return Ok(candidate.found(accepted.missing, accepted.leftovers));
            }
        }
        if closest.as_ref().is_none_or(|(_, fewest)| differences.len() < fewest.len()) {
            closest = Some((candidate, differences));
        }
    }
    let (closest, differences) = match closest {
        Some((candidate, differences)) => (candidate.description.clone(), differences),
        None => ("an empty catalog".to_owned(), Schema::default().differences(live)),
    };
    let set = session.catalog.set().to_owned();
    Err(Error::Adopt(Box::new(AdoptRefused::Unknown { set, closest, differences })))
}

/// Differences that a shape allows for.
struct Accepted {
    missing: Vec<Difference>,
    leftovers: Vec<String>,
}

/// Parts the differences that a shape allows for from the others.
trait Sort {
    fn sort(&self, differences: Vec<Difference>) -> (Accepted, Vec<Difference>);
}

impl Sort for Shape {
    fn sort(&self, differences: Vec<Difference>) -> (Accepted, Vec<Difference>) {
        let mut accepted = Accepted { missing: Vec::new(), leftovers: Vec::new() };
        let mut rest = Vec::new();
        for difference in differences {
            let object = difference.object.as_str();
            match difference.kind {
                DifferenceKind::Missing if self.optional.iter().any(|one| one == object) => {
                    accepted.missing.push(difference);
                }
                DifferenceKind::Unknown if self.leftovers.iter().any(|one| one == object) => {
                    accepted.leftovers.push(object.to_owned());
                }
                // Indexes hold no data, and mapping replaces them.
                _ if self.schema.is_some() && difference.is_index() => {}
                _ => rest.push(difference),
            }
        }
        (accepted, rest)
    }
}

/// Whether no row is in `tables`. When it is `acting`, none can come before the transaction ends: who
/// writes into one is waited for, and who wants to has to wait.
async fn all_empty(
    session: &mut Session<'_>,
    tables: &[String],
    acting: bool,
) -> Result<bool, Error> {
    for table in tables {
        let name = session.tables.qualified(&identifier(table));
        if acting && session.conn.dialect() == Dialect::Postgres {
            let lock = format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE");
            session.conn.batch(&lock).await.doing("lock a leftover table")?;
        }
        let query = format!("SELECT '1' FROM {name} LIMIT 1");
        if session.conn.text(&query).await.doing("look into a leftover table")?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What `alembic_version` says, when there is one.
async fn alembic_revision(session: &mut Session<'_>) -> Result<Option<String>, Error> {
    const DOING: &str = "read `alembic_version`";
    let exists = match session.tables.schema() {
        None => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'alembic_version'"
            .to_owned(),
        Some(schema) => format!(
            "SELECT relname FROM pg_class WHERE relname = 'alembic_version' AND relnamespace = \
             (SELECT oid FROM pg_namespace WHERE nspname = {})",
            literal(schema)
        ),
    };
    if session.conn.text(&exists).await.doing(DOING)?.is_none() {
        return Ok(None);
    }
    let table = session.tables.qualified("alembic_version");
    session.conn.text(&format!("SELECT version_num FROM {table}")).await.doing(DOING)
}

/// Recognises the database, makes it fit, and stamps it. `None` when nothing is in it.
///
/// What the versions build is found out before. Everything that the database itself decides is looked at
/// inside the transaction that acts: another program may write until that begins.
pub(crate) async fn adopt(session: &mut Session<'_>) -> Result<Option<Adopted>, Error> {
    if session.inspect().await?.is_empty() {
        return Ok(None);
    }
    let reference = Reference::build(session).await?;
    let mut outcome = in_transaction(session, &reference, true).await?;
    if matches!(outcome, Outcome::Rebuilds) {
        // The pragma does nothing inside a transaction.
        session.conn.batch("PRAGMA foreign_keys = OFF").await.doing("switch foreign keys off")?;
        let again = in_transaction(session, &reference, false).await;
        session.conn.batch("PRAGMA foreign_keys = ON").await.doing("switch foreign keys on")?;
        outcome = again?;
    }
    let Outcome::Adopted(adopted) = outcome else { return Ok(None) };
    tracing::info!(
        target: crate::LOG_TARGET,
        version = %adopted.version, outcome = "adopted",
        "adopted: this is {}, version {}", adopted.description, adopted.version
    );
    for line in adopted.changes.iter().chain(&adopted.notes) {
        tracing::warn!(target: crate::LOG_TARGET, version = %adopted.version, "adopted: {line}");
    }
    Ok(Some(adopted))
}

/// What became of a transaction.
enum Outcome {
    Adopted(Adopted),
    /// There is nothing to adopt.
    Empty,
    /// Nothing was done: the tables are built anew, which foreign keys must not see.
    Rebuilds,
}

/// One transaction, which is ended whatever comes of it.
async fn in_transaction<'a>(
    session: &mut Session<'a>,
    reference: &Reference<'a>,
    enforced: bool,
) -> Result<Outcome, Error> {
    let begin = begin(session);
    session.conn.batch(&begin).await.doing("begin the transaction that adopts")?;
    let outcome = async {
        let Some(found) = decide(session, reference, true).await? else {
            return Ok(Outcome::Empty);
        };
        let rebuilds = session.conn.dialect() == Dialect::Sqlite
            && found.shape.is_some_and(|shape| !shape.foreign_keys);
        if enforced && rebuilds {
            return Ok(Outcome::Rebuilds);
        }
        let definitions = if found.missing.is_empty() {
            reference::Definitions::default()
        } else {
            reference::definitions(session.catalog, &found.version).await?
        };
        let notes = transform(session, &found, &definitions).await;
        let mut adopted = found.announce();
        adopted.notes.extend(notes.map_err(|cause| failed(session.catalog, &found, cause))?);
        Ok(Outcome::Adopted(adopted))
    };
    let outcome = outcome.await;
    if !matches!(outcome, Ok(Outcome::Adopted(_))) {
        session.roll_back().await;
    }
    outcome
}

/// What is locked must be seen as it is then, so that the transaction takes no snapshot before.
pub(crate) fn begin(session: &Session<'_>) -> String {
    match session.conn.dialect() {
        Dialect::Sqlite => "BEGIN IMMEDIATE".to_owned(),
        Dialect::Postgres => {
            let begin = ["BEGIN ISOLATION LEVEL READ COMMITTED"];
            let begin = begin.into_iter().chain(session.frame.opened());
            begin.collect::<Vec<_>>().join(";\n")
        }
    }
}

fn failed(catalog: &Catalog, found: &Found<'_>, cause: StepCause) -> Error {
    let migration = catalog.get(&found.version);
    Error::Step(Box::new(StepError {
        version: found.version.clone(),
        name: migration.map_or_else(String::new, |one| one.name.clone().into_owned()),
        direction: Direction::Up,
        place: None,
        left: Left::Nothing,
        undone: Vec::new(),
        kept: Vec::new(),
        blockers: None,
        cause,
    }))
}

/// Makes the schema fit, and commits the transaction that is open only when it does in the end.
async fn transform(
    session: &mut Session<'_>,
    found: &Found<'_>,
    definitions: &reference::Definitions,
) -> Result<Vec<String>, StepCause> {
    let sqlite = session.conn.dialect() == Dialect::Sqlite;
    let up = found.shape.and_then(|shape| shape.up.as_deref()).unwrap_or_default();
    let notes_query = found.shape.and_then(|shape| shape.notes.as_deref());
    let mut guard = Guard::default();
    if sqlite {
        let written = format!("{up}\n{}", notes_query.unwrap_or_default());
        let before = Guard::before(&mut session.conn, &written, None).await?;
        guard = before.rebuilding(&mut session.conn).await?;
    }
    for table in &found.leftovers {
        let table = session.tables.qualified(&identifier(table));
        session.conn.batch(&format!("DROP TABLE {table}")).await.map_err(StepCause::own)?;
    }
    for missing in &found.missing {
        for statement in definitions.of(&missing.object) {
            session.conn.batch(&statement).await?;
        }
    }
    session.as_user().await?;
    let statements = statement::split(up, session.conn.dialect());
    for statement in statements.map_err(|error| StepCause::Unreadable(error.to_string()))? {
        if sqlite {
            let enforced = found.shape.is_none_or(|shape| shape.foreign_keys);
            guard.statement(&mut session.conn, statement.text, enforced).await?;
        }
        session.conn.batch(statement.text).await?;
    }
    if !sqlite {
        session.conn.batch(CONSTRAINTS).await?;
    }
    session.as_ours().await?;
    // What people wrote for the notes is looked at like the script.
    let notes = match notes_query {
        Some(query) => session.people_query(query).await?,
        None => Vec::new(),
    };
    if sqlite {
        guard.after(&mut session.conn).await?;
    }
    let live = session.inspect().await?;
    let differences = found.expected.differences(&live);
    if !differences.is_empty() {
        return Err(StepCause::Unfit(list(&differences)));
    }
    for statement in session.tables.create() {
        session.conn.batch(&statement).await.map_err(StepCause::own)?;
    }
    stamp(session, &found.version).await?;
    let history = session.history_now().await?;
    session.commit(&history).await.map_err(StepCause::own)?;
    Ok(notes)
}

async fn stamp(session: &mut Session<'_>, version: &Version) -> Result<(), StepCause> {
    let catalog = session.catalog;
    for migration in catalog.migrations().iter().take_while(|one| one.version <= *version) {
        let claim = session.tables.claim(&migration.version);
        let record = session.record(&Entry::new(migration, "adopt"));
        session.conn.batch(&claim).await.map_err(StepCause::own)?;
        session.conn.batch(&record).await.map_err(StepCause::own)?;
    }
    Ok(())
}

/// A column as `ALTER TABLE … ADD COLUMN` wants it.
fn add_column(table: &str, column: &str, schema: &Schema) -> Option<String> {
    let definition = schema.tables.get(table)?.columns.get(column)?;
    Some(format!(
        "ALTER TABLE {} ADD COLUMN {} {definition}",
        identifier(table),
        identifier(column)
    ))
}

/// A name that cannot meet another runner's.
fn scratch_schema() -> String {
    format!("underpin_scratch_{}", std::process::id())
}

/// SQL that gives a search path: after `schema`, only schemas that extensions live in.
pub(crate) fn scratch_path(schema: &str) -> String {
    let own = literal(&identifier(schema));
    format!(
        "concat_ws(', ', {own}, (SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ') FROM \
         pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE n.nspname <> 'pg_catalog'))"
    )
}
