//! Follows the transactions that a script outside one begins and ends.

use underpin_catalog::{
    Dialect,
    statement::{Control, Statement, control},
};

/// A transaction that a script began.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// The `BEGIN` of it; those that are chained to it are of the same kind.
    pub(super) begin: Option<usize>,
    /// SQLite: its savepoints with the statements that made them. The first begins it where nothing else has.
    savepoints: Vec<(String, usize)>,
}

impl Open {
    /// What is open after statement `one`, the script's `number`th from 0, where `open` was before it.
    pub(crate) fn after(
        open: Option<Self>,
        number: usize,
        one: &Statement<'_>,
        dialect: Dialect,
    ) -> Option<Self> {
        match control(one.text, dialect) {
            None => open,
            // PostgreSQL goes on with the one that is open.
            Some(Control::Begin) => {
                open.or_else(|| Some(Self { begin: Some(number), ..Self::default() }))
            }
            Some(Control::Commit | Control::RollBack) => None,
            Some(Control::CommitAndChain | Control::RollBackAndChain) => {
                Some(open.unwrap_or_default())
            }
            Some(Control::Savepoint | Control::RollBackTo) => match dialect {
                Dialect::Sqlite => open.unwrap_or_default().moved(number, &one.words(dialect)),
                Dialect::Postgres => open,
            },
        }
    }

    /// The statement that began it, where one did.
    pub(crate) fn began(&self) -> Option<usize> {
        self.begin.or_else(|| self.savepoints.first().map(|(_, number)| *number))
    }

    /// SQLite: the transaction after `SAVEPOINT`, `RELEASE` or `ROLLBACK TO`; `None` when that has ended it.
    fn moved(mut self, number: usize, words: &[String]) -> Option<Self> {
        let (Some(verb), Some(name)) = (words.first(), words.last()) else { return Some(self) };
        // The newest of that name, which a rollback keeps.
        let at = self.savepoints.iter().rposition(|(one, _)| one == name);
        match (verb.as_str(), at) {
            ("savepoint", _) => self.savepoints.push((name.clone(), number)),
            ("release", Some(at)) => self.savepoints.truncate(at),
            (_, Some(at)) => self.savepoints.truncate(at + 1),
            (_, None) => {}
        }
        self.began().is_some().then_some(self)
    }
}
