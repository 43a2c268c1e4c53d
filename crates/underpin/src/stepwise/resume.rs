//! Going on with a script outside a transaction that was interrupted.
//!
//! The connection is a new one. What the statements that are done had set is set again, in their
//! order; what they had made in their session and a new one does not have refuses the run.

use underpin_catalog::{
    Dialect, StatementsChecksum,
    statement::{Control, Lasting, Statement, control, lasting, pragma},
};

use crate::Interrupted;

/// A statement whose effect a new connection does not have.
pub(crate) struct Lost {
    /// Among the statements of the script, from 0.
    pub(crate) number: usize,
    pub(crate) line: usize,
    pub(crate) what: &'static str,
}

/// A transaction that the script began.
#[derive(Default)]
struct Open {
    /// What began it; those that are chained to it are of the same kind.
    begin: Option<usize>,
    /// What it has set for the session, which it may roll back.
    set: Vec<usize>,
    /// SQLite: its savepoints, of which the first begins it where nothing else has.
    savepoints: Vec<String>,
}

/// Which of the statements that are done must run again on a new connection, before `next`.
///
/// What a transaction of the script's own records of itself is there when it was committed. So one that is
/// open where the record ends was committed by `next`, and nobody wrote that down.
pub(crate) fn again(
    done: &[Statement<'_>],
    next: Option<&Statement<'_>>,
    dialect: Dialect,
) -> Result<Vec<usize>, Lost> {
    if dialect == Dialect::Sqlite {
        return again_in_sqlite(done);
    }
    let mut again = Vec::new();
    let mut open: Option<Open> = None;
    for (number, one) in done.iter().enumerate() {
        let lost = |what| Lost { number, line: one.line, what };
        match control(one.text, dialect) {
            Some(Control::Begin) => open = Some(Open { begin: Some(number), ..Open::default() }),
            Some(Control::Commit) => again.extend(open.take().unwrap_or_default().set),
            Some(Control::RollBack) => open = None,
            Some(Control::CommitAndChain) => {
                again.append(&mut open.get_or_insert_default().set);
            }
            Some(Control::RollBackAndChain) => open.get_or_insert_default().set.clear(),
            Some(Control::RollBackTo) if open.as_ref().is_some_and(|open| !open.set.is_empty()) => {
                return Err(lost("a setting that it may have rolled back"));
            }
            Some(Control::RollBackTo | Control::Savepoint) => {}
            None => match (lasting(one.text, dialect), &mut open) {
                (Lasting::Nothing, _) => {}
                (Lasting::Repeatable, Some(open)) => open.set.push(number),
                (Lasting::Repeatable, None) => again.push(number),
                (Lasting::Lost(what), _) => return Err(lost(what)),
            },
        }
    }
    let open = open.unwrap_or_default();
    again.extend(open.set);
    // It needs a transaction to end, and what it begins is of the kind of that.
    if next.is_some_and(|next| control(next.text, dialect) == Some(Control::CommitAndChain)) {
        again.extend(open.begin);
    }
    Ok(again)
}

/// [`again`] of a script of SQLite, where no transaction takes back what is set for the connection.
fn again_in_sqlite(done: &[Statement<'_>]) -> Result<Vec<usize>, Lost> {
    let mut again = Vec::new();
    let mut open: Option<Open> = None;
    for (number, one) in done.iter().enumerate() {
        match control(one.text, Dialect::Sqlite) {
            Some(Control::Begin) => open = Some(Open { begin: Some(number), ..Open::default() }),
            Some(Control::Savepoint | Control::RollBackTo) => {
                open = open.unwrap_or_default().after(&one.words(Dialect::Sqlite));
            }
            Some(_) => open = None,
            None => match lasting(one.text, Dialect::Sqlite) {
                Lasting::Nothing => {}
                Lasting::Repeatable if open.is_some() && passes(one.text) => {}
                Lasting::Repeatable => again.push(number),
                Lasting::Lost(what) => return Err(Lost { number, line: one.line, what }),
            },
        }
    }
    Ok(again)
}

/// Whether a pragma does nothing inside a transaction, or nothing after it.
fn passes(text: &str) -> bool {
    pragma(text).is_some_and(|one| ["foreign_keys", "defer_foreign_keys"].contains(&&*one.name))
}

impl Open {
    /// The transaction after `SAVEPOINT`, `RELEASE` or `ROLLBACK TO`; `None` when that has ended it.
    fn after(mut self, words: &[String]) -> Option<Self> {
        let (Some(verb), Some(name)) = (words.first(), words.last()) else { return Some(self) };
        // The newest of that name, which a rollback keeps.
        let at = self.savepoints.iter().rposition(|one| one == name);
        match (verb.as_str(), at) {
            ("savepoint", _) => self.savepoints.push(name.clone()),
            ("release", Some(at)) => self.savepoints.truncate(at),
            (_, Some(at)) => self.savepoints.truncate(at + 1),
            (_, None) => {}
        }
        (self.begin.is_some() || !self.savepoints.is_empty()).then_some(self)
    }
}

impl Interrupted {
    /// Whether the statements that are recorded as done are the first of `statements`.
    pub(crate) fn is_kept_in(&self, statements: &[Statement<'_>]) -> bool {
        let Some(done) = statements.get(..self.done) else { return false };
        let checksum = || StatementsChecksum::of(done.iter().map(|one| one.text)).checksum();
        match &self.note {
            Some(note) => note.done == checksum().to_string(),
            // An older program did not write down what it had done.
            None => done.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use underpin_catalog::statement::split;

    use super::*;

    #[rstest]
    #[case::set("PRAGMA foreign_keys=ON; SELECT 1; PRAGMA cache_size=7", &[0, 2])]
    #[case::in_a_transaction("BEGIN; PRAGMA foreign_keys=ON; COMMIT", &[])]
    #[case::after_it("BEGIN; COMMIT; PRAGMA foreign_keys=ON", &[2])]
    #[case::in_one_that_is_open("BEGIN; PRAGMA/**/[foreign_keys](1)", &[])]
    #[case::in_a_savepoint("SAVEPOINT a; PRAGMA foreign_keys=ON; RELEASE a", &[])]
    #[case::after_a_savepoint("SAVEPOINT a; RELEASE SAVEPOINT 'A'; PRAGMA foreign_keys=ON", &[2])]
    #[case::between_savepoints(
        "SAVEPOINT a; SAVEPOINT b; ROLLBACK TO a; PRAGMA foreign_keys=ON; RELEASE a; PRAGMA foreign_keys=OFF",
        &[5]
    )]
    #[case::a_savepoint_in_a_transaction(
        "BEGIN; SAVEPOINT a; RELEASE a; PRAGMA foreign_keys=ON; END; PRAGMA foreign_keys=OFF",
        &[5]
    )]
    #[case::what_is_only_the_transactions("BEGIN; PRAGMA defer_foreign_keys=ON; COMMIT", &[])]
    #[case::what_no_rollback_takes_back("BEGIN; PRAGMA recursive_triggers=ON; ROLLBACK", &[1])]
    #[case::nor_one_to_a_savepoint(
        "BEGIN; SAVEPOINT a; PRAGMA recursive_triggers=ON; ROLLBACK TO a; COMMIT",
        &[2]
    )]
    #[case::a_file("ATTACH 'x.db' AS x; SELECT 1; DETACH x", &[0, 2])]
    fn sqlite_what_is_set_again_is_what_was_set(#[case] script: &str, #[case] expected: &[usize]) {
        let done = split(script, Dialect::Sqlite).unwrap();

        let again = again(&done, None, Dialect::Sqlite).map_err(|lost| lost.what);

        assert_eq!(again.unwrap(), expected, "{script}");
    }

    #[rstest]
    #[case::in_memory("SELECT 1; ATTACH ':memory:' AS x", Dialect::Sqlite, 1)]
    #[case::a_string_for_a_name("BEGIN; CREATE TABLE 'temp'.t (a); COMMIT", Dialect::Sqlite, 1)]
    #[case::a_path("BEGIN; SET LOCAL search_path = pg_temp; COMMIT", Dialect::Postgres, 1)]
    #[case::a_selected_table("SELECT 1 AS a INTO pg_temp.t", Dialect::Postgres, 0)]
    fn what_is_lost_is_named(
        #[case] script: &str,
        #[case] dialect: Dialect,
        #[case] number: usize,
    ) {
        let done = split(script, dialect).unwrap();

        let lost = again(&done, None, dialect).err().map(|lost| lost.number);

        assert_eq!(lost, Some(number), "{script}");
    }
}
