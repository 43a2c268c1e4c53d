//! Going on with a script outside a transaction that was interrupted.
//!
//! The connection is a new one. What the statements that are done had set is set again, in their
//! order; what they had made in their session and a new one does not have refuses the run.

use underpin_catalog::{
    Dialect, StatementsChecksum,
    statement::{Control, Lasting, Statement, control, lasting, pragma},
};

use super::Open;
use crate::Interrupted;

/// A statement whose effect a new connection does not have.
pub(crate) struct Lost {
    /// Among the statements of the script, from 0.
    pub(crate) number: usize,
    pub(crate) line: usize,
    pub(crate) what: &'static str,
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
    // What the transaction that is open has set for the session, which it may roll back.
    let mut set = Vec::new();
    for (number, one) in done.iter().enumerate() {
        let lost = |what| Lost { number, line: one.line, what };
        match control(one.text, dialect) {
            Some(Control::Commit | Control::CommitAndChain) => again.append(&mut set),
            Some(Control::RollBack | Control::RollBackAndChain) => set.clear(),
            Some(Control::RollBackTo) if !set.is_empty() => {
                return Err(lost("a setting that it may have rolled back"));
            }
            Some(Control::Begin | Control::RollBackTo | Control::Savepoint) => {}
            None => match lasting(one.text, dialect) {
                Lasting::Nothing => {}
                Lasting::Repeatable if open.is_some() => set.push(number),
                Lasting::Repeatable => again.push(number),
                Lasting::Lost(what) => return Err(lost(what)),
            },
        }
        open = Open::after(open, number, one, dialect);
    }
    again.extend(set);
    // It needs a transaction to end, and what it begins is of the kind of that.
    if next.is_some_and(|next| control(next.text, dialect) == Some(Control::CommitAndChain)) {
        again.extend(open.and_then(|open| open.begin));
    }
    Ok(again)
}

/// [`again`] of a script of SQLite, where no transaction takes back what is set for the connection.
fn again_in_sqlite(done: &[Statement<'_>]) -> Result<Vec<usize>, Lost> {
    let mut again = Vec::new();
    let mut open: Option<Open> = None;
    for (number, one) in done.iter().enumerate() {
        match lasting(one.text, Dialect::Sqlite) {
            Lasting::Nothing => {}
            Lasting::Repeatable if open.is_some() && passes(one.text) => {}
            Lasting::Repeatable => again.push(number),
            Lasting::Lost(what) => return Err(Lost { number, line: one.line, what }),
        }
        open = Open::after(open, number, one, Dialect::Sqlite);
    }
    Ok(again)
}

/// Whether a pragma does nothing inside a transaction, or nothing after it.
fn passes(text: &str) -> bool {
    pragma(text).is_some_and(|one| ["foreign_keys", "defer_foreign_keys"].contains(&&*one.name))
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
