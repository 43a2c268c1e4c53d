//! Writes a plan as a script for the database's own client.

use std::fmt::Write as _;

use underpin_catalog::{Dialect, StatementsChecksum};
use underpin_db::{SETTLED, renewal};

use crate::{Grouping, Plan, Step, history::Note, session::Session};

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
                self.push(&self.session.progress(step, 0, &note));
            }
            self.push(statement.text);
            checksum.push(statement.text);
            note.done = checksum.checksum().to_string();
            self.push(&self.session.progress(step, number + 1, &note));
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
