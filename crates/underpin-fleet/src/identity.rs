//! What a run was made for: its targets and its migrations, beyond their names. A plan that is gone on
//! with is done to these and to nothing else.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use underpin::{Access, Catalog, Checksum, ConnectError, Error, Instance, Version};
use underpin_db::DatabaseUrl;

use crate::{
    Fleet, FleetError, Found, Place, Run, Target, TargetRow, error::explain, printable, workers,
};

/// What a target is, for the journal and for people, or why nobody can tell.
pub(crate) type Identity = Result<String, String>;

impl Fleet<'_> {
    /// What each target is, in their order.
    pub(crate) fn identities(&self, targets: &[&Target]) -> Result<Vec<Identity>, FleetError> {
        let beside =
            |one: &&Target, other: &&Target| one.schema().is_some() && one.is_beside(other);
        let groups: Vec<_> = targets.chunk_by(beside).collect();
        let found = workers::map(self.jobs, groups.into_iter(), async |group: &[&Target]| {
            let Some(first) = group.first() else { return Vec::new() };
            let (Place::Schema { database, .. } | Place::Database(database)) = &first.place else {
                return group.iter().map(|target| of_file(target)).collect();
            };
            match self.instance(database).await {
                Ok(instance) => group.iter().map(|target| of_schema(target, &instance)).collect(),
                Err(error) => vec![Err(explain(&error)); group.len()],
            }
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Which database a URL leads to.
    pub(crate) async fn instance(&self, database: &DatabaseUrl) -> Result<Instance, Error> {
        Instance::of(&mut self.engine(database)?.connect(Access::ReadOnly).await?).await
    }

    /// Whether these migrations are those of `run`, as far as they went then.
    pub(crate) fn check_catalog(&self, run: &Run) -> Result<(), FleetError> {
        let (set, dialect) = (self.catalog.set(), self.catalog.dialect().to_string());
        if run.set != set {
            return Err(run.refused(&format!("is one of set `{}`, not of `{set}`", run.set)));
        }
        let (Some(was), Some(digest)) = (&run.dialect, &run.catalog) else {
            return Err(run.refused(
                "was written by an older program, which did not note what it was made for",
            ));
        };
        if *was != dialect {
            return Err(run.refused(&format!("is one of {was}, and this is {dialect}")));
        }
        let head = run.catalog_head.as_deref();
        let now = digest_of(self.catalog, head.and_then(|head| head.parse().ok()).as_ref());
        if *digest == now {
            return Ok(());
        }
        let head = head.unwrap_or("base");
        Err(run.refused(&format!(
            "was made for other migrations of set `{set}`: up to {head} they were {digest:.8}, and are \
             {now:.8} now"
        )))
    }
}

impl Run {
    /// The targets of `found` that `rows` of this run name.
    pub(crate) fn targets<'t>(
        &self,
        found: &'t Found,
        rows: &[TargetRow],
    ) -> Result<Vec<&'t Target>, FleetError> {
        let known: HashMap<String, &Target> =
            found.targets.iter().map(|target| (target.key(), target)).collect();
        let target = |row: &TargetRow| {
            let key = row.key.as_deref().unwrap_or_default();
            known.get(key).copied().ok_or_else(|| {
                let (place, then, now) = (&row.place, &self.source, &found.source);
                self.refused(&format!("is of {then}, and `{place}` is not among {now}"))
            })
        };
        rows.iter().map(target).collect()
    }

    /// Refuses targets that are known to be others `now` than they were when `rows` of this run were
    /// written. What cannot be told now is not refused here, and not worked on either.
    pub(crate) fn check(&self, rows: &[TargetRow], now: &[Identity]) -> Result<(), FleetError> {
        for (row, now) in rows.iter().zip(now) {
            // What could not be told when the run began has no goal of it, and is decided anew.
            let (Some(then), Ok(now)) = (&row.identity, now) else { continue };
            if then != now {
                let place = &row.place;
                return Err(self.refused(&format!(
                    "was made for `{place}` when it was {then}; now it is {now}"
                )));
            }
        }
        Ok(())
    }

    /// The run cannot be gone on with, because it `reason`.
    pub(crate) fn refused(&self, reason: &str) -> FleetError {
        let reason = printable::lines(reason);
        let reason = format!(
            "{reason}: nothing was changed; go back to what it was made for, or begin a new run with \
             `underpin fleet {}`",
            self.action
        );
        FleetError::NotResumable { number: self.number, reason }
    }
}

/// The file that the path leads to: a copy, or a file put in its place, is another one. The number of its
/// device is left out, which changes from start to start of a machine.
fn of_file(target: &Target) -> Identity {
    let Place::File(path) = &target.place else { return Err("it is no file".to_owned()) };
    let look = |path: &Path| -> io::Result<String> {
        let (path, file) = (fs::canonicalize(path)?, fs::metadata(path)?);
        // Not every file system tells when it made a file.
        let made = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.unwrap_or(Duration::ZERO).as_nanos();
        let path = path.display();
        Ok(format!("the file `{path}` (number {}, made at {made})", file.ino()))
    };
    look(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => explain(&ConnectError::NoFile(path.clone()).into()),
        _ => error.to_string(),
    })
}

/// The schema by its number in its server: whatever is restored or made again has another one. Its
/// address belongs to it, since a copy of a server has the numbers of the original.
fn of_schema(target: &Target, instance: &Instance) -> Identity {
    let (address, schema) = match &target.place {
        Place::Schema { database, schema } => (database.address(), Some(schema)),
        Place::Database(url) => (url.address(), instance.current_schema.as_ref()),
        Place::File(_) => return Err("it is no schema".to_owned()),
    };
    let number = schema.and_then(|schema| instance.schemas.get(schema));
    let number = number.ok_or_else(|| "there is no such schema".to_owned())?;
    let system = instance.system.as_deref().unwrap_or("unknown");
    let database = &instance.database;
    Ok(format!("schema {number} of database {database} of the server {system} at {address}"))
}

/// What comes down to one line of the migrations up to `head`: their scripts both ways, and how they want
/// to be run.
pub(crate) fn digest_of(catalog: &Catalog, head: Option<&Version>) -> String {
    let mut text = String::new();
    for one in
        catalog.migrations().iter().filter(|one| head.is_some_and(|head| one.version <= *head))
    {
        let down = match one.down() {
            Ok(Some(script)) => Checksum::of(&script).to_string(),
            Ok(None) => "none".to_owned(),
            Err(_) => "unreadable".to_owned(),
        };
        // It is written to memory.
        let _infallible =
            writeln!(text, "{} {} {down} {:?}", one.version, one.checksum, one.metadata);
    }
    Checksum::of(&text).to_string()
}
