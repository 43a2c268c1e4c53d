//! Going on with a script outside a transaction that was interrupted.
//!
//! The connection is a new one. What the statements that are done had set is set again, in their
//! order; what they had made in their session and a new one does not have refuses the run.

use underpin_catalog::{
    Dialect, StatementsChecksum,
    statement::{Control, Lasting, Statement, control, lasting},
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
