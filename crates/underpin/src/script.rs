//! Writes a plan as a script for the database's own client.

use std::fmt::Write as _;

use underpin_catalog::{
    Dialect, StatementsChecksum,
    statement::{self, Lasting, Pragma, Statement, lasting, pragma},
};
use underpin_db::{SETTLED, literal, renewal};

use crate::{
    Error, Grouping, Plan, Refusal, Refused, Step,
    history::Note,
    session::{Session, sqlite::SETTINGS},
};

/// Refuses a script of which a migration would leave something in the session of `sqlite3` that the next one
/// finds there: `underpin upgrade` gives each a session of its own, and a script has only one.
pub(crate) fn refuse_shared(plan: &Plan<'_>) -> Result<(), Error> {
    let Some((_, before_last)) = plan.steps.split_last() else { return Ok(()) };
    let refusals: Vec<_> = before_last.iter().filter_map(shares).collect();
    if refusals.is_empty() { Ok(()) } else { Err(Refused(refusals).into()) }
}

fn shares(step: &Step<'_>) -> Option<Refusal> {
    if step.dialect == Dialect::Postgres {
        return None;
    }
    let (line, what) = left_in_session(&step.statements())?;
    Some(Refusal::Script {
        version: step.migration.version.clone(),
        direction: step.direction,
        line,
        reason: format!(
            "it leaves {what} in the session, and the migration after it in the same script would find that \
             there: apply it with `underpin upgrade`, or write a script up to it and another one, to be run by \
             itself, from there"
        ),
    })
}

/// SQLite: the first thing that a script leaves in its session, and the line that makes it.
fn left_in_session(statements: &[Statement<'_>]) -> Option<(usize, String)> {
    statements.iter().enumerate().find_map(|(at, one)| {
        let rest = &statements[at + 1..];
        let what = match (pragma(one.text), lasting(one.text, Dialect::Sqlite)) {
            (Some(pragma), _) => left_set(&pragma, rest),
            (None, Lasting::Nothing) => None,
            (None, _) => left_object(&one.words(Dialect::Sqlite), rest),
        };
        Some((one.line, what?))
    })
}

/// Settings that are off in a new session, and so as new when a script switches them off again.
const OFF: [&str; 8] = [
    "case_sensitive_like",
    "ignore_check_constraints",
    "legacy_alter_table",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "writable_schema",
];

/// The pragma, when nothing of `rest` sets it anew and it stays set otherwise than in a new session.
fn left_set(set: &Pragma, rest: &[Statement<'_>]) -> Option<String> {
    let Pragma { name, value } = set;
    let value = value.as_deref()?.to_ascii_lowercase();
    let lasts = match name.as_str() {
        // The end of the transaction takes it back, or the script does.
        "defer_foreign_keys" | "foreign_keys" => false,
        // Those two are kept in the file.
        "journal_mode" => !["wal", "delete"].contains(&value.as_str()),
        name if OFF.contains(&name) => {
            !["off", "0", "no", "false", "reset"].contains(&value.as_str())
        }
        name => SETTINGS.contains(&name),
    };
    let again = |one: &Statement<'_>| {
        pragma(one.text).is_some_and(|later| later.name == *name && later.value.is_some())
    };
    (lasts && !rest.iter().any(again)).then(|| format!("`PRAGMA {name}`"))
}

/// The attached database or the temporary object that a statement of these words makes, when nothing of `rest`
/// takes it away.
fn left_object(words: &[String], rest: &[Statement<'_>]) -> Option<String> {
    let undone = |undoes: &dyn Fn(&[String]) -> bool| {
        rest.iter().any(|one| undoes(&one.words(Dialect::Sqlite)))
    };
    let is = |word: Option<&String>, keyword: &str| word.is_some_and(|word| word == keyword);
    if is(words.first(), "attach") {
        let detached = undone(&|words| is(words.first(), "detach"));
        return (!detached).then(|| "an attached database".to_owned());
    }
    let (kind, name) = named(words, "create")?;
    let dropped = undone(&|words| named(words, "drop") == Some((kind, name)));
    (!dropped).then(|| format!("the temporary {kind} `{name}`"))
}

/// The kind and the name of what a statement that begins with `verb` makes or drops.
fn named<'w>(words: &'w [String], verb: &str) -> Option<(&'w str, &'w str)> {
    const BETWEEN: [&str; 6] = ["temp", "temporary", "virtual", "if", "not", "exists"];
    let mut words = words.iter().map(String::as_str).filter(|word| !BETWEEN.contains(word));
    (words.next()? == verb).then_some(())?;
    Some((words.next()?, words.next()?))
}

/// A script that `sqlite3` or `psql` runs to the same end, history rows included.
pub(crate) fn render(session: &Session<'_>, plan: &Plan<'_>, grouping: Grouping) -> String {
    let dialect = session.conn.dialect();
    let mut text = format!("-- underpin: set {}, {dialect}\n", session.catalog.set());
    if plan.steps.is_empty() {
        text.push_str("-- nothing to do\n");
        return text;
    }
    text.push_str(match dialect {
        Dialect::Sqlite => {
            "-- run with: sqlite3 -bail FILE < SCRIPT\n.bail on\nPRAGMA foreign_keys = ON;\n"
        }
        Dialect::Postgres => "-- run with: psql -X -f SCRIPT URL\n\\set ON_ERROR_STOP on\n",
    });
    if dialect == Dialect::Postgres {
        Writer { session, text: &mut text }.push(SETTLED);
    }
    let mut create = session.tables.create();
    for steps in plan.transactions(grouping) {
        let create = std::mem::take(&mut create);
        let mut writer = Writer { session, text: &mut text };
        match steps {
            [step] if !step.migration.metadata.run_in_transaction => writer.stepwise(step, &create),
            _ => writer.transaction(steps, &create),
        }
    }
    text
}

struct Writer<'a, 's> {
    session: &'a Session<'s>,
    text: &'a mut String,
}

impl Writer<'_, '_> {
    fn transaction(&mut self, steps: &[Step<'_>], create: &[String]) {
        let sqlite = self.session.conn.dialect() == Dialect::Sqlite;
        let rebuilds = sqlite && steps.iter().any(|step| !step.migration.metadata.foreign_keys);
        if rebuilds {
            self.push("PRAGMA foreign_keys = OFF");
        }
        self.push(if sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" });
        for statement in create {
            self.push(statement);
        }
        for step in steps {
            self.title(step);
            self.push(&self.session.before(step));
            self.script(step);
            if !sqlite {
                self.renew();
            }
            self.push(&self.session.after(step, "NULL".to_owned()));
        }
        self.push("COMMIT");
        if rebuilds {
            self.push("PRAGMA foreign_keys = ON");
        }
    }

    fn stepwise(&mut self, step: &Step<'_>, create: &[String]) {
        for statement in create {
            self.push(statement);
        }
        self.title(step);
        let skipped = step.resumed.unwrap_or(0);
        let statements = step.statements();
        let mut note = step.note.clone().unwrap_or_default();
        let mut checksum =
            StatementsChecksum::of(statements.iter().take(skipped).map(|one| one.text));
        for number in &step.again {
            self.push(statements[*number].text);
        }
        for (number, statement) in statements.iter().enumerate().skip(skipped) {
            note = Note { done: checksum.checksum().to_string(), begun: None, ..note };
            if number == 0 {
                self.progress(step, 0, &note);
            }
            self.push(statement.text);
            checksum.push(statement.text);
            note.done = checksum.checksum().to_string();
            self.progress(step, number + 1, &note);
        }
        match step.dialect {
            Dialect::Sqlite => self.push("PRAGMA foreign_keys = ON"),
            Dialect::Postgres => {
                self.push("DISCARD ALL");
                self.push(SETTLED);
            }
        }
        self.push("BEGIN");
        self.push(&self.session.before(step));
        self.push(&self.session.after(step, "NULL".to_owned()));
        self.push("COMMIT");
    }

    /// Records how far a script outside a transaction came, in the session in which it is at work: with what
    /// the engine puts around that, for the script may have taken a role or begun a transaction.
    ///
    /// `\;` makes one message of the statements, as the engine does, so that what they set for their
    /// transaction holds until the last of them.
    fn progress(&mut self, step: &Step<'_>, done: usize, note: &Note) {
        let progress = self.session.progress(step, done, note);
        if step.dialect == Dialect::Sqlite {
            return self.push(&progress);
        }
        let framed = self.session.frame.between(&progress);
        let statements = statement::split(&framed, Dialect::Postgres).unwrap_or_default();
        let statements: Vec<_> = statements.iter().map(|one| without_rows(one.text)).collect();
        self.push(&statements.join("\\;\n"));
    }

    /// Whatever a script leaves in its session reaches neither the history nor the next script.
    fn renew(&mut self) {
        self.push(&renewal().join("; "));
    }

    fn title(&mut self, step: &Step<'_>) {
        let migration = step.migration;
        let _infallible = writeln!(
            self.text,
            "\n-- {} {} ({})",
            migration.version, migration.name, step.direction
        );
    }

    fn script(&mut self, step: &Step<'_>) {
        for statement in step.statements() {
            self.push(statement.text);
        }
    }

    fn push(&mut self, statement: &str) {
        self.text.push_str(statement);
        self.text.push_str(";\n");
    }
}

/// PostgreSQL: a statement of ours that answers with rows, which `psql` would print, does the same without.
fn without_rows(statement: &str) -> String {
    match statement.strip_prefix("SELECT ") {
        Some(rest) => format!("DO {}", literal(&format!("BEGIN PERFORM {rest}; END"))),
        None => statement.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use underpin_catalog::{Dialect, statement};

    use super::left_in_session;

    fn left(script: &str) -> Option<(usize, String)> {
        left_in_session(&statement::split(script, Dialect::Sqlite).unwrap())
    }

    #[rstest]
    #[case::a_table("CREATE TEMP TABLE IF NOT EXISTS x (id)", "the temporary table `x`")]
    #[case::in_its_schema("CREATE VIEW temp.\"x\" AS SELECT 1", "the temporary view `x`")]
    #[case::virtual_one("CREATE VIRTUAL TABLE temp.x USING fts5 (a)", "the temporary table `x`")]
    #[case::in_any_spelling("CREATE /* it */ TABLE [TEMP] . x (id)", "the temporary table `x`")]
    #[case::a_string_for_a_schema("CREATE TABLE 'temp'.x (id)", "the temporary table `x`")]
    #[case::a_trigger(
        "CREATE TEMPORARY TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "the temporary trigger `x`"
    )]
    #[case::another_dropped("CREATE TEMP TABLE x (id); DROP TABLE y", "the temporary table `x`")]
    #[case::dropped_before(
        "DROP TABLE IF EXISTS x; CREATE TEMP TABLE x (id)",
        "the temporary table `x`"
    )]
    #[case::a_database("ATTACH 'other.db' AS other", "an attached database")]
    #[case::a_setting("pragma Recursive_Triggers = on", "`PRAGMA recursive_triggers`")]
    #[case::a_number("PRAGMA main.cache_size(-4000)", "`PRAGMA cache_size`")]
    #[case::set_back_and_again(
        "PRAGMA legacy_alter_table = ON; PRAGMA legacy_alter_table = OFF; PRAGMA legacy_alter_table = 1",
        "`PRAGMA legacy_alter_table`"
    )]
    fn what_stays_in_a_session_is_named_sqlite(#[case] script: &str, #[case] expected: &str) {
        assert_eq!(left(script).map(|(_, what)| what).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::no_such_thing(
        "CREATE TABLE temporary_x (id); INSERT INTO temporary_x VALUES ('PRAGMA a = 1')"
    )]
    #[case::dropped("CREATE TEMP TABLE x AS SELECT 1; DROP TABLE x")]
    #[case::dropped_by_its_schema("CREATE TABLE temp.x (id); DROP TABLE IF EXISTS temp.x")]
    #[case::set_back("PRAGMA legacy_alter_table = ON; PRAGMA legacy_alter_table = OFF")]
    #[case::only_asked("PRAGMA foreign_key_check(t); PRAGMA cache_size")]
    #[case::of_the_transaction("PRAGMA defer_foreign_keys = ON")]
    #[case::of_the_file("PRAGMA user_version = 7; PRAGMA journal_mode = WAL")]
    #[case::detached("ATTACH 'other.db' AS other; DETACH other")]
    #[case::dropped_in_another_spelling("CREATE TEMP TABLE x (id); DROP /* it */ TABLE \"x\"")]
    fn what_a_session_has_not_at_the_end_is_no_reason_sqlite(#[case] script: &str) {
        assert_eq!(left(script), None);
    }
}
