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

/// Which of the statements that are done must run again on a new connection.
pub(crate) fn again(done: &[Statement<'_>], dialect: Dialect) -> Result<Vec<usize>, Lost> {
    let mut again = Vec::new();
    // What a transaction of the script's own has set, which it may roll back.
    let mut open: Option<Vec<usize>> = None;
    for (number, one) in done.iter().enumerate() {
        let lost = |what| Lost { number, line: one.line, what };
        match control(one.text, dialect) {
            Some(Control::Begin) => open = Some(Vec::new()),
            Some(Control::Commit) => again.extend(open.take().unwrap_or_default()),
            Some(Control::RollBack) => open = None,
            Some(Control::RollBackTo) if open.as_ref().is_some_and(|set| !set.is_empty()) => {
                return Err(lost("a setting that it may have rolled back"));
            }
            Some(Control::RollBackTo | Control::Savepoint) => {}
            None => match lasting(one.text, dialect) {
                Lasting::Nothing => {}
                Lasting::Repeatable => open.as_mut().unwrap_or(&mut again).push(number),
                Lasting::Lost(what) => return Err(lost(what)),
            },
        }
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
