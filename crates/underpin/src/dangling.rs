//! What SQLite lets a script break without a word: views and triggers that do not compile any more, foreign
//! keys that lead nowhere, and numbers that would be given again.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use underpin_db::{Conn, DbError};

use crate::{
    StepCause,
    sql::{has_word, identifier, literal},
};

/// Objects that a script may change before it is as quick to look at all of them.
const FEW: usize = 32;

/// An object of the schema, its names and text in lower case, as SQLite compares them.
#[derive(Debug)]
struct Object {
    /// The row of [`OBJECTS`] that tells it.
    row: String,
    kind: String,
    name: String,
    /// The table or view that it belongs to, or is.
    owner: String,
    sql: String,
    /// Its name as it is written.
    written: String,
}

impl Object {
    fn read(row: String) -> Result<Self, DbError> {
        let (kind, name, owner, sql): (String, String, String, String) =
            serde_json::from_str(&row).map_err(|error| told_otherwise(&error))?;
        Ok(Self {
            row,
            kind,
            name: name.to_ascii_lowercase(),
            owner: owner.to_ascii_lowercase(),
            sql: sql.to_ascii_lowercase(),
            written: name,
        })
    }

    fn is_table(&self) -> bool {
        self.kind == "table"
    }

    /// Whether its text may name `other`, which is what makes it depend on it. The tables in which a
    /// virtual one keeps its rows have names that begin as its own.
    fn may_name(&self, other: &str) -> bool {
        let behind = || other.strip_prefix(&*self.name).is_some_and(|rest| rest.starts_with('_'));
        has_word(&self.sql, other) || self.sql.starts_with("create virtual") && behind()
    }

    /// Whether a text that names it contains its name as it is.
    fn is_plain(&self) -> bool {
        let written_twice = ['"', '\'', '`', '\\'];
        let plain = |name: &str| !name.is_empty() && !name.contains(written_twice);
        plain(&self.name) && plain(&self.owner)
    }
}

/// Something that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// The table or view with which it breaks, in lower case.
    owner: String,
    what: String,
    why: String,
    /// Whether it is a foreign key whose table is not there.
    waits: bool,
}

impl Fault {
    fn text(&self) -> String {
        format!("{}: {}", self.what, self.why)
    }
}

fn broken_anew(faults: impl Iterator<Item = String>) -> Result<(), StepCause> {
    let lines: Vec<_> = faults.map(|fault| format!("  {fault}")).collect();
    if lines.is_empty() { Ok(()) } else { Err(StepCause::Dangling(lines.join("\n"))) }
}

/// One row for each object of the schema.
const OBJECTS: &str =
    "SELECT json_array(type, name, tbl_name, coalesce(sql, '')) FROM main.sqlite_schema";

/// What is broken in a schema, and how far the numbers of tables have come.
#[derive(Debug, Default)]
pub(crate) struct Dangling {
    /// SQLite's number of the schema that was looked at, and whether foreign keys were enforced.
    seen: Option<(i64, bool)>,
    objects: Vec<Object>,
    faults: Vec<Fault>,
    /// The highest number that each table with AUTOINCREMENT gave, by its name in lower case.
    numbers: BTreeMap<String, i64>,
}

impl Dangling {
    /// Whether a script can break anything: no statement does without one of these words.
    pub(crate) fn can_come_of(script: &str) -> bool {
        let script = script.to_ascii_lowercase();
        ["alter", "create", "drop", "sqlite_sequence", "writable_schema"]
            .iter()
            .any(|word| script.contains(word))
    }

    /// What is broken, one sentence each.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(Fault::text)
    }

    /// Fails when something is broken that is not among `known`. A table that is not there may be one that
    /// a later migration makes.
    pub(crate) fn no_more_than(&self, known: &[String]) -> Result<(), StepCause> {
        let broken = self.faults.iter().filter(|fault| !fault.waits).map(Fault::text);
        broken_anew(broken.filter(|fault| !known.contains(fault)))
    }

    /// Looks before a script, which `known` spares where the schema is still the one it was.
    pub(crate) async fn look(conn: &mut Conn, known: Option<Self>) -> Result<Self, DbError> {
        let mut this = known.unwrap_or_default();
        if this.seen != Some(seen(conn).await?) {
            this.read(conn).await?;
        }
        this.numbers = this.read_numbers(conn).await?;
        Ok(this)
    }

    /// Looks again after a script, and fails when something is broken now that was not before. A new table
    /// may refer to one that a later migration makes. Numbers may go back in a table that the script did
    /// not build `anew`: there it set them itself.
    pub(crate) async fn look_again(
        &mut self,
        conn: &mut Conn,
        anew: &BTreeSet<String>,
    ) -> Result<(), StepCause> {
        let before = self.faults.clone();
        let new_tables = self.read(conn).await?;
        let is_new = |fault: &&Fault| {
            let waits = fault.waits && new_tables.contains(&fault.owner);
            !waits && !before.contains(fault)
        };
        broken_anew(self.faults.iter().filter(is_new).map(Fault::text))?;
        let numbers = self.read_numbers(conn).await?;
        for (table, before) in mem::replace(&mut self.numbers, numbers) {
            match self.numbers.get(&table) {
                Some(&after) if after < before && anew.contains(&table) => {
                    return Err(StepCause::Numbers { table, before, after });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something in the schema speaks of putting off a check to the end of the transaction.
    pub(crate) fn defers(&self) -> bool {
        self.objects.iter().any(|object| object.sql.contains("defer"))
    }

    /// Whether there is a table of this name, in lower case.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.objects.iter().any(|object| object.is_table() && object.name == name)
    }

    /// Reads the schema, looks at what may have broken since it was read last, and gives the tables that
    /// are new.
    async fn read(&mut self, conn: &mut Conn) -> Result<BTreeSet<String>, DbError> {
        let seen = seen(conn).await?;
        let enforced_as_before = self.seen.replace(seen).is_some_and(|before| before.1 == seen.1);
        // Nearly all of them stay, in their order.
        let mut rows = conn.texts(OBJECTS).await?;
        let same = rows.iter().zip(&self.objects).take_while(|(row, old)| **row == old.row).count();
        let mut gone: BTreeMap<String, Object> = BTreeMap::new();
        gone.extend(self.objects.drain(same..).map(|object| (object.row.clone(), object)));
        let mut come = Vec::new();
        for row in rows.drain(same..) {
            let object = if let Some(object) = gone.remove(&row) {
                object
            } else {
                come.push(self.objects.len());
                Object::read(row)?
            };
            self.objects.push(object);
        }
        let come: Vec<_> = come.into_iter().map(|index| &self.objects[index]).collect();
        let gone: Vec<_> = gone.values().collect();
        let new_tables = &table_names(&come) - &table_names(&gone);
        let changed = [gone, come].concat();
        let reached = self.reached_by(&changed).filter(|_| enforced_as_before);
        self.faults
            .retain(|fault| reached.as_ref().is_some_and(|some| !some.contains(&fault.owner)));
        let mut faults = Vec::new();
        for object in &self.objects {
            if reached.as_ref().is_none_or(|some| some.contains(&object.name)) {
                faults.extend(self.faults_of(conn, object).await?);
            }
        }
        self.faults.append(&mut faults);
        Ok(new_tables)
    }

    /// The tables and views that can break when these objects come, change or go. Where no other object names
    /// one of them, and none of theirs names another, those are their own. `None` stands for all.
    fn reached_by(&self, changed: &[&Object]) -> Option<BTreeSet<String>> {
        if changed.len() > FEW || !changed.iter().all(|object| object.is_plain()) {
            return None;
        }
        let names = changed.iter().flat_map(|object| [&object.name, &object.owner]);
        let reached: BTreeSet<_> = names.cloned().collect();
        let (own, others): (Vec<_>, Vec<_>) =
            self.objects.iter().partition(|object| reached.contains(&object.owner));
        let own = [&own, changed].concat();
        let is_apart = |other: &Object| {
            other.is_plain()
                && !reached.iter().any(|name| other.may_name(name))
                && !own.iter().any(|one| one.may_name(&other.owner))
        };
        others.into_iter().all(is_apart).then_some(reached)
    }

    /// What is broken of one table with its foreign keys and triggers, or of one view with its own.
    async fn faults_of(&self, conn: &mut Conn, object: &Object) -> Result<Vec<Fault>, DbError> {
        let name = &object.written;
        let found = |what: String, why: String| Fault {
            owner: object.name.clone(),
            what,
            why,
            waits: false,
        };
        let mut faults = Vec::new();
        match object.kind.as_str() {
            "view" => {
                let select = format!("SELECT * FROM main.{}", identifier(name));
                let why = fault(conn, &select).await;
                faults.extend(why.map(|why| found(format!("view `{name}`"), why)));
            }
            "table" if object.sql.contains("references") => {
                for parent in self.missing_parents(conn, name).await? {
                    let what = format!("the foreign key of `{name}` to `{parent}`");
                    let why = "there is no such table".to_owned();
                    faults.push(Fault { waits: true, ..found(what, why) });
                }
                let check = format!("PRAGMA main.foreign_key_check({})", identifier(name));
                let why = fault(conn, &check).await;
                faults.extend(why.map(|why| found(format!("the foreign key of `{name}`"), why)));
            }
            "table" => {}
            _ => return Ok(faults),
        }
        let triggers = self.objects.iter().filter(|one| one.kind == "trigger");
        let triggers: Vec<_> = triggers.filter(|one| one.owner == object.name).collect();
        // A foreign key that leads nowhere breaks every change of its table, which it tells itself.
        if faults.is_empty() && !triggers.is_empty() {
            let broken = broken_triggers(conn, name, &triggers).await?;
            faults.extend(broken.into_iter().map(|(what, why)| found(what, why)));
        }
        Ok(faults)
    }

    /// The tables to which foreign keys of this one lead, and which are not there.
    async fn missing_parents(&self, conn: &mut Conn, table: &str) -> Result<Vec<String>, DbError> {
        let parents =
            format!("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list({})", literal(table));
        let mut parents = conn.texts(&parents).await?;
        parents.retain(|parent| {
            let parent = parent.to_ascii_lowercase();
            let of_that_name = |one: &Object| one.name == parent && one.owner == parent;
            !self.objects.iter().any(of_that_name)
        });
        Ok(parents)
    }

    async fn read_numbers(&self, conn: &mut Conn) -> Result<BTreeMap<String, i64>, DbError> {
        let counts = |object: &&Object| object.is_table() && object.sql.contains("autoincrement");
        let counting: Vec<_> = self.objects.iter().filter(counts).collect();
        // A comment may speak of it where no table has it.
        if counting.is_empty() || !self.has_table("sqlite_sequence") {
            return Ok(BTreeMap::new());
        }
        let query = "SELECT json_array(CAST(name AS TEXT), CAST(seq AS INTEGER)) FROM main.sqlite_sequence \
                     WHERE name IS NOT NULL AND seq IS NOT NULL";
        let mut given: BTreeMap<String, i64> = BTreeMap::new();
        for row in conn.texts(query).await? {
            let (name, number): (String, i64) =
                serde_json::from_str(&row).map_err(|error| told_otherwise(&error))?;
            let highest = given.entry(name).or_insert(number);
            *highest = number.max(*highest);
        }
        let number = |table: &Object| given.get(&table.written).copied().unwrap_or(0);
        Ok(counting.into_iter().map(|table| (table.name.clone(), number(table))).collect())
    }
}

fn table_names(objects: &[&Object]) -> BTreeSet<String> {
    let tables = objects.iter().filter(|object| object.is_table());
    tables.map(|table| table.name.clone()).collect()
}

async fn seen(conn: &mut Conn) -> Result<(i64, bool), DbError> {
    let query = "SELECT json_array(schema_version, json(iif(foreign_keys, 'true', 'false'))) \
                 FROM pragma_schema_version, pragma_foreign_keys";
    let answer = conn.text(query).await?.unwrap_or_default();
    serde_json::from_str(&answer).map_err(|error| told_otherwise(&error))
}

fn told_otherwise(error: &serde_json::Error) -> DbError {
    DbError {
        message: format!("SQLite tells its schema in another way: {error}"),
        ..DbError::default()
    }
}

/// Why SQLite cannot compile a statement, which does not run. What belongs to the program that uses the file
/// (functions, collations, modules) is not known here.
async fn fault(conn: &mut Conn, statement: &str) -> Option<String> {
    const NOT_OURS: [&str; 5] = [
        "no such function",
        "no such collation",
        "no such module",
        "cannot modify",
        "no such tokenizer",
    ];
    let error = conn.batch(&format!("EXPLAIN {statement}")).await.err()?;
    let known = !NOT_OURS.iter().any(|text| error.message.contains(text));
    known.then_some(error.message)
}

/// The triggers of a table, or of a view, that no change of it could fire.
async fn broken_triggers(
    conn: &mut Conn,
    table: &str,
    triggers: &[&Object],
) -> Result<BTreeMap<String, String>, DbError> {
    let columns =
        format!("SELECT name FROM pragma_table_xinfo({}) WHERE hidden = 0", literal(table));
    let columns = conn.texts(&columns).await?;
    let set: Vec<_> = columns.iter().map(|name| format!("{0} = {0}", identifier(name))).collect();
    let name = identifier(table);
    let changes = [
        format!("INSERT INTO main.{name} DEFAULT VALUES"),
        format!("UPDATE main.{name} SET {}", set.join(", ")),
        format!("DELETE FROM main.{name}"),
    ];
    let mut broken = BTreeMap::new();
    for change in changes {
        let Some(why) = fault(conn, &change).await else { continue };
        // SQLite does not say which trigger: it names what is missing.
        let missing = why.rsplit([' ', '.', ':']).next().unwrap_or_default().to_lowercase();
        let told = |some: &[&Object]| {
            let names: Vec<_> = some.iter().map(|one| format!("`{}`", one.written)).collect();
            names.join(" or ")
        };
        let naming = triggers.iter().copied().filter(|trigger| trigger.sql.contains(&missing));
        let naming: Vec<_> = naming.collect();
        let blamed = told(if naming.is_empty() { triggers } else { &naming });
        broken.insert(format!("trigger {blamed} of `{table}`"), why);
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use underpin_db::{ConnectOptions, DatabaseUrl};

    use super::*;

    /// No word of a statement, so that not everything is taken to name them.
    const NAMES: [&str; 7] = ["qa", "qb", "Qb_content", "qc d", "qe\"f", "qg", "qh"];

    /// A change of a small schema, which may be impossible.
    fn statement() -> impl Strategy<Value = String> {
        let name = || prop::sample::select(&NAMES[..]).prop_map(identifier);
        let kind = prop::sample::select(vec![
            "CREATE TABLE {a} (id INTEGER PRIMARY KEY AUTOINCREMENT, x REFERENCES {b}(id))",
            "CREATE TABLE {a} (id INTEGER PRIMARY KEY, x REFERENCES {b}(x) ON DELETE CASCADE)",
            "CREATE TABLE {a} (id INTEGER PRIMARY KEY, x REFERENCES {b} ON UPDATE CASCADE, y)",
            "CREATE TABLE {a} (id INTEGER PRIMARY KEY, x REFERENCES {b} ON DELETE CASCADE, y REFERENCES {c})",
            "CREATE TABLE {a} (id, x)",
            "CREATE TABLE {a} (x UNIQUE)",
            "CREATE VIEW {a} AS SELECT * FROM {b}",
            "CREATE VIEW {a} AS SELECT x FROM {b} JOIN (SELECT 1 FROM {c})",
            "CREATE TRIGGER {a} AFTER INSERT ON {b} BEGIN INSERT INTO {c} (x) VALUES (new.x); END",
            "CREATE TRIGGER {a} BEFORE UPDATE ON {b} BEGIN DELETE FROM {c}; END",
            "CREATE TRIGGER {a} AFTER DELETE ON {b} BEGIN UPDATE {c} SET x = 1; END",
            "CREATE TRIGGER {a} INSTEAD OF DELETE ON {b} BEGIN SELECT x FROM {c}; END",
            "CREATE UNIQUE INDEX {a} ON {b} (x)",
            "CREATE INDEX {a} ON {b} (id)",
            "ALTER TABLE {a} RENAME TO {b}",
            "ALTER TABLE {a} RENAME COLUMN x TO y",
            "ALTER TABLE {a} RENAME COLUMN y TO x",
            "ALTER TABLE {a} DROP COLUMN x",
            "ALTER TABLE {a} ADD COLUMN x",
            "DROP TABLE {a}",
            "DROP TABLE {b}",
            "DROP VIEW {a}",
            "DROP TRIGGER {a}",
            "DROP INDEX {a}",
            "PRAGMA legacy_alter_table = ON",
        ]);
        (kind, name(), name(), name()).prop_map(|(kind, a, b, c)| {
            kind.replace("{a}", &a).replace("{b}", &b).replace("{c}", &c)
        })
    }

    fn faults(dangling: &Dangling) -> BTreeSet<(String, String, String)> {
        let faults = dangling.faults.iter().cloned();
        faults.map(|Fault { owner, what, why, .. }| (owner, what, why)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        /// To look at what a script may have reached gives what a look at everything gives.
        #[test]
        fn what_is_looked_at_again_is_enough(script in prop::collection::vec(statement(), 1..40)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let url = DatabaseUrl::memory();
                let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
                let mut known = Dangling::look(&mut conn, None).await.unwrap();
                for statement in &script {
                    if conn.batch(statement).await.is_err() {
                        continue;
                    }
                    let _broken = known.look_again(&mut conn, &BTreeSet::new()).await;
                    let all = Dangling::look(&mut conn, None).await.unwrap();
                    assert_eq!(faults(&known), faults(&all), "{script:#?} up to {statement}");
                }
            });
        }
    }
}
