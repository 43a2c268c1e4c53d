//! PostgreSQL: what stands around the scripts of a transaction.
//!
//! A script is alone with its session. It finds the session as its connection began, with the settings
//! that the user gave it, and whatever it leaves there is gone before our own statement that follows,
//! before the next script, and before the connection goes to anybody else.

use std::time::Duration;

use underpin_db::{AUTHORIZATION, Conn, own_settings};

use crate::{lock::lease::Lease, sql::identifier};

/// What stands around the scripts of a transaction; SQLite takes its end alone.
pub(crate) struct Frame {
    /// `None` when the transaction is open already.
    pub(crate) begin: Option<&'static str>,
    /// Comes next, and ends the transaction when another runner may be at work by now.
    fence: Option<String>,
    /// Makes the session as new, where somebody else may have used it.
    first: Vec<String>,
    /// Comes before a script: what the user's settings make of a new session.
    pub(crate) script: Vec<String>,
    /// Comes before the statement that records a script, in the session as the script left it.
    pub(crate) record: Vec<String>,
    /// Makes the session as new, and fit for our own statements.
    pub(crate) renew: Vec<String>,
    end: Vec<String>,
}

/// What a lent connection works in.
pub(crate) struct Lent<'a> {
    pub(crate) schema: &'a str,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Duration,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            begin: None,
            fence: None,
            first: Vec::new(),
            script: Vec::new(),
            record: Vec::new(),
            renew: Vec::new(),
            end: vec!["COMMIT".to_owned()],
        }
    }
}

impl Frame {
    /// On a connection of one's own to a server.
    pub(crate) fn direct(conn: &Conn, fence: String) -> Self {
        Self {
            begin: Some("BEGIN"),
            fence: Some(fence),
            script: conn.reset(),
            record: record(false),
            renew: renew(conn, false),
            ..Self::default()
        }
    }

    /// Behind a pooler the next transaction may be on another connection of its, and the next one
    /// there may be somebody else's.
    pub(crate) fn pooled(conn: &Conn, lease: &Lease) -> Self {
        let end = Conn::given_back().into_iter().chain(["COMMIT".to_owned()]);
        Self {
            begin: Some("BEGIN"),
            fence: Some(lease.check()),
            first: renew(conn, true),
            script: conn.reset(),
            record: record(true),
            renew: renew(conn, true),
            end: end.collect(),
        }
    }

    /// On a connection that somebody lends, in a transaction that is open.
    pub(crate) fn lent(conn: &Conn, lent: &Lent<'_>) -> Self {
        let mut script = conn.reset();
        script.extend(lent.settings());
        script.push(format!("SET LOCAL search_path TO {}", identifier(lent.schema)));
        let mut renew = renew(conn, true);
        renew.extend(lent.settings());
        // The lender's session keeps nothing of ours either.
        let end = if conn.is_pooled() { Conn::given_back() } else { vec!["RESET ALL".to_owned()] };
        let end = end.into_iter().chain(["COMMIT".to_owned()]).collect();
        Self { script, record: record(true), renew, end, ..Self::default() }
    }

    /// The statements that begin a transaction.
    pub(crate) fn start(&self) -> impl Iterator<Item = &str> {
        self.begin.into_iter().chain(self.opened())
    }

    /// The statements that come first in a transaction.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.fence).map(String::as_str)
    }

    /// The statements that end it.
    pub(crate) fn end(&self) -> impl Iterator<Item = &str> {
        self.end.iter().map(String::as_str)
    }

    /// `statement`, which is ours, for a session in which a script is at work outside a transaction of
    /// the engine.
    pub(crate) fn between(&self, statement: &str) -> String {
        let fenced = self.fence.iter().map(String::as_str).chain([statement]);
        Conn::between(&fenced.collect::<Vec<_>>().join(";\n"))
    }

    /// What others write meanwhile is not seen.
    pub(crate) fn in_snapshot(&mut self) {
        self.begin = self.begin.map(|_| "BEGIN ISOLATION LEVEL REPEATABLE READ");
    }
}

impl Lent<'_> {
    /// The statements that set its time limits for the transaction.
    pub(crate) fn settings(&self) -> [String; 2] {
        let set =
            |name: &str, value: Duration| format!("SET LOCAL {name} TO {}", value.as_millis());
        [set("lock_timeout", self.lock_timeout), set("statement_timeout", self.statement_timeout)]
    }
}

/// As new, and with the settings of our own statements.
pub(crate) fn renew(conn: &Conn, local: bool) -> Vec<String> {
    let mut statements = conn.as_new();
    statements.push(own_settings(local));
    statements
}

fn record(local: bool) -> Vec<String> {
    let authorization = AUTHORIZATION.map(str::to_owned).into_iter();
    authorization.chain([own_settings(local)]).collect()
}

/// Looks at deferred constraints and runs deferred triggers now, while the settings of the script hold,
/// as the end of the transaction would.
pub(crate) const CONSTRAINTS: &str = "SET CONSTRAINTS ALL IMMEDIATE";
