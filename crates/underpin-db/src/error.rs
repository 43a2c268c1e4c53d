//! What a database, or the way to it, refused.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::result_code as sqlite;

/// Why no connection could be opened. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ConnectError {
    /// The directory of an SQLite file does not exist.
    #[error(
        "no directory `{}` for the database `{}`: create it, or correct the URL{}",
        directory.display(), path.display(), with_four_slashes(directory)
    )]
    NoDirectory { directory: PathBuf, path: PathBuf },
    /// The SQLite file does not exist and was not to be created.
    #[error("no database `{}`: create it with `underpin upgrade`, or correct the URL", .0.display())]
    NoFile(PathBuf),
    /// There is a directory where the SQLite file should be.
    #[error("`{}` is a directory, expected a database file: correct the URL", .0.display())]
    Directory(PathBuf),
    /// There is something where the SQLite file should be that keeps no bytes.
    #[error("`{}` is {what}, expected a database file: correct the URL", path.display())]
    NoRegularFile { path: PathBuf, what: &'static str },
    /// The SQLite file has other names, and SQLite would look for its journal under one of them alone.
    #[error(
        "`{}` has {names} names (hard links), and a database must have one: remove the others, or make \
         copies of them", path.display()
    )]
    Names { path: PathBuf, names: u64 },
    /// A journal of SQLite's lies there without its database. SQLite would delete it.
    #[error(
        "`{}` holds changes of a database, but `{}` {}: put the database back beside it, or move that file \
         away: SQLite would delete it", journal.display(), path.display(), lost(*there)
    )]
    LostDatabase { path: PathBuf, journal: PathBuf, there: bool },
    /// Another program writes to the SQLite file.
    #[error(
        "another program writes to `{}`: stop it, or wait longer for it with `--lock-wait`",
        path.display()
    )]
    Busy { path: PathBuf },
    /// The SQLite file may not be written.
    #[error("`{}` is read-only: allow writing, or use another copy", .0.display())]
    ReadOnly(PathBuf),
    /// The file is something else.
    #[error("`{}` is not an SQLite database: correct the URL", .0.display())]
    NotADatabase(PathBuf),
    /// SQLite could not open the file.
    #[error("cannot open `{}`", path.display())]
    Open { path: PathBuf, source: DbError },
    /// A TLS setting that cannot work.
    #[error("cannot use TLS: {0}")]
    Tls(String),
    /// The server wants a password and nobody gave one.
    #[error(
        "PostgreSQL at {target} asks for a password: give it in the URL, in `PGPASSWORD` or in the \
         password file"
    )]
    NoPassword { target: String },
    /// The server could not be reached.
    #[error("cannot reach PostgreSQL at {target}: {reason}: is it running there?")]
    Unreachable { target: String, reason: String },
    /// The server was reached and said no.
    #[error("PostgreSQL at {target} refused the connection: {source}")]
    Refused { target: String, source: DbError },
}

fn lost(there: bool) -> &'static str {
    if there { "has no bytes" } else { "is not there" }
}

/// What `sqlite:///tmp/app.db` was to mean, where only the absolute directory is there.
fn with_four_slashes(directory: &Path) -> String {
    let absolute = Path::new("/").join(directory);
    if directory.is_absolute() || !absolute.is_dir() {
        return String::new();
    }
    let absolute = absolute.display();
    format!(
        "; `{absolute}` is there, and an absolute path takes four slashes: `sqlite:///{absolute}/…`"
    )
}

impl ConnectError {
    /// Whether only another configuration can help, and no waiting.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Busy { .. } | Self::Unreachable { .. } => false,
            // Starting up or shutting down (57P), or out of connections (53).
            Self::Refused { source, .. } => {
                let code = source.sqlstate.as_deref().unwrap_or_default();
                !code.starts_with("57P") && !code.starts_with("53")
            }
            _ => true,
        }
    }
}

/// What a database said to a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbError {
    /// What is wrong.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What might help.
    pub hint: Option<String>,
    /// PostgreSQL: the five-character code.
    pub sqlstate: Option<String>,
    /// SQLite: the result code, extended where it is known.
    pub result_code: Option<i32>,
    /// PostgreSQL: where in the text that was sent, in characters, counted from 1.
    pub position: Option<usize>,
    /// PostgreSQL: how many statements of the text were done.
    pub completed: Option<usize>,
    /// PostgreSQL: what was at work within the statement, the innermost first, a line each.
    pub context: Option<String>,
    /// Whether no connection could be had, so that nothing was even asked.
    pub no_connection: bool,
}

impl DbError {
    /// The whole of it. It may hold values of rows: it is for the eyes of the person who asked for it,
    /// and for no log, journal, report or page.
    #[must_use]
    pub fn in_full(&self) -> String {
        sentence(&self.message, self.detail.as_deref(), self.hint.as_deref())
    }

    /// Whether [`DbError::in_full`] says more than is shown otherwise.
    #[must_use]
    pub fn hides_values(&self) -> bool {
        self.in_full() != self.to_string()
    }

    /// Whether what was to be written can be in no database with this schema: data exceptions (22) and
    /// constraints (23) of PostgreSQL; of SQLite constraints, a type that does not fit, and what is too
    /// large. Any other cause may pass: a lock, a right, a column of the next release, a full disk, and
    /// whatever a trigger raises in its own words, which SQLite files under constraints.
    #[must_use]
    pub fn is_of_data(&self) -> bool {
        let class = self.sqlstate.as_deref().and_then(|code| code.get(..2));
        let code = self.result_code.filter(|code| *code != sqlite::CONSTRAINT_TRIGGER);
        matches!(class, Some("22" | "23"))
            || matches!(
                code.map(|code| code & 0xff),
                Some(sqlite::CONSTRAINT | sqlite::MISMATCH | sqlite::TOO_BIG)
            )
    }

    /// The code of the database, for programs: `55P03`, `SQLite 13`.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let sqlite = || self.result_code.map(|code| format!("SQLite {code}"));
        self.sqlstate.clone().or_else(sqlite)
    }

    /// PostgreSQL: the function without arguments that the failed statement called, as `ALTER FUNCTION` takes
    /// it: where the statement calls none by itself, that of a trigger.
    ///
    /// The words around it are in the language of the server.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        let outermost = self.context.as_deref()?.lines().next_back()?;
        let end = outermost.find("()")?;
        let mut quoted = false;
        let part_of_name = |c: char| {
            quoted ^= c == '"';
            quoted || "\"._".contains(c) || c.is_ascii_lowercase() || c.is_ascii_digit()
        };
        let name = outermost[..end].trim_end_matches(part_of_name);
        Some(&outermost[name.len()..end + "()".len()]).filter(|name| !name.starts_with("()"))
    }

    /// PostgreSQL: whether the statement runs outside a transaction alone. It did nothing then.
    pub(crate) fn is_of_outside(&self) -> bool {
        matches!(self.sqlstate.as_deref(), Some("25001" | "2D000"))
    }

    /// PostgreSQL, outside a transaction: the same, with what to do about a limit that is not ours.
    pub(crate) fn behind_a_pooler(mut self) -> Self {
        if self.sqlstate.as_deref() == Some("57014") {
            let hint = "behind a pooler a statement outside a transaction runs under the statement_timeout of \
                        its role or its database: run it on a connection to the server itself";
            self.hint.get_or_insert_with(|| hint.to_owned());
        }
        self
    }

    /// Whether PostgreSQL speaks of values: data exceptions (22), constraints (23), and views that check
    /// their rows (44).
    fn is_about_values(&self) -> bool {
        let code = self.sqlstate.as_deref().unwrap_or_default();
        ["22", "23", "44"].iter().any(|class| code.starts_with(class))
    }
}

impl DbError {
    /// SQLite: whether another connection kept the file to itself for longer than this one waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.message == "database is locked"
    }
}

impl fmt::Display for DbError {
    /// Without the values of rows, which are nobody's business but the database's: a constraint is named,
    /// and what broke it is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_about_values() {
            return f.write_str(&self.in_full());
        }
        // In class 22 quotes stand around a value, in the others around the name of a constraint.
        let is_data = self.sqlstate.as_deref().is_some_and(|code| code.starts_with("22"));
        let message = if is_data { without_values(&self.message) } else { self.message.clone() };
        f.write_str(&sentence(&message, None, self.hint.as_deref()))
    }
}

fn sentence(message: &str, detail: Option<&str>, hint: Option<&str>) -> String {
    let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    format!("{message}{detail}{hint}")
}

/// `message` without what is quoted in it, and without bytes: `invalid input syntax for type integer: "…"`.
/// A value may hold quotes of its own, and each language has others.
fn without_values(message: &str) -> String {
    let quote = |c: char| "\"'`«»‹›„“”‚‘’「」".contains(c);
    let mut text = match (message.find(quote), message.char_indices().rfind(|(_, c)| quote(*c))) {
        (Some(first), Some((last, end))) if last > first => {
            format!("{}\"…\"{}", &message[..first], &message[last + end.len_utf8()..])
        }
        (Some(first), _) => format!("{}…", &message[..first]),
        (None, _) => message.to_owned(),
    };
    if let Some(at) = text.find("0x") {
        text.truncate(at);
        text.push('…');
    }
    text
}

impl std::error::Error for DbError {}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        let result_code = match &error {
            diesel::result::Error::DatabaseError(kind, about) => {
                sqlite::constraint(*kind, about.as_ref())
            }
            _ => None,
        };
        Self { message: error.to_string(), result_code, ..Self::default() }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self { message: with_causes(&error), ..Self::default() };
        };
        let position = match db.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        };
        Self {
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            sqlstate: Some(db.code().code().to_owned()),
            result_code: None,
            position: position.and_then(|position| position.try_into().ok()),
            completed: None,
            context: db.where_().map(str::to_owned),
            no_connection: false,
        }
    }
}

/// An error with what caused it, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Words of the cause may stand anywhere in the text by chance; told is what the text ends with.
        let told = text == cause_text || text.ends_with(&format!(": {cause_text}"));
        if !told && !cause_text.is_empty() {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{DbError, with_causes};

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Caused {
        text: &'static str,
        source: DbError,
    }

    #[test]
    fn a_cause_is_told_unless_the_text_ends_with_it() {
        for (text, cause, told) in [
            ("cannot read a file", "a", "cannot read a file: a"),
            ("nothing was left", "left", "nothing was left: left"),
            ("cannot read: a", "a", "cannot read: a"),
            ("a", "a", "a"),
            ("cannot read", "", "cannot read"),
        ] {
            let source = DbError { message: cause.to_owned(), ..DbError::default() };
            assert_eq!(with_causes(&Caused { text, source }), told);
        }
    }

    fn error(sqlstate: &str, message: &str) -> DbError {
        DbError {
            message: message.to_owned(),
            detail: Some("Key (token)=(SECRET) is duplicated.".to_owned()),
            hint: Some("look".to_owned()),
            sqlstate: Some(sqlstate.to_owned()),
            ..DbError::default()
        }
    }

    #[test]
    fn values_of_rows_are_only_in_the_whole() {
        for (sqlstate, message, shown) in [
            (
                "23505",
                "could not create unique index \"t_token\"",
                "could not create unique index \"t_token\": look",
            ),
            (
                "44000",
                "new row violates check option for view \"v\"",
                "new row violates check option for view \"v\": look",
            ),
            (
                "22P02",
                "invalid input syntax for type integer: \"SECRET\"",
                "invalid input syntax for type integer: \"…\": look",
            ),
            (
                "22P02",
                "invalid input syntax for type integer: \"a\"SECRET\"\"",
                "invalid input syntax for type integer: \"…\": look",
            ),
            (
                "22003",
                "value \"SECRET\" is out of range for type integer",
                "value \"…\" is out of range for type integer: look",
            ),
            (
                "22P02",
                "ungültige Eingabesyntax für Typ integer: »SECRET«",
                "ungültige Eingabesyntax für Typ integer: \"…\": look",
            ),
            (
                "22021",
                "invalid byte sequence for encoding \"UTF8\": 0xff",
                "invalid byte sequence for encoding \"…\": …: look",
            ),
            ("22P02", "a value without its end: \"SECRET", "a value without its end: …: look"),
            ("22012", "division by zero", "division by zero: look"),
        ] {
            let error = error(sqlstate, message);
            assert_eq!(error.to_string(), shown);
            assert!(error.hides_values() && error.in_full().contains(message));
            assert!(error.in_full().contains("SECRET"));
        }
    }

    #[test]
    fn the_function_that_a_statement_called_is_named_in_every_language() {
        for (context, function) in [
            ("PL/pgSQL function public.tr() line 1 at SQL statement", Some("public.tr()")),
            (
                "PL/pgSQL function h(text) line 1 at RAISE\nSQL statement \"SELECT h('()')\"\nPL/pgSQL function \
                 tr() line 3 at PERFORM",
                Some("tr()"),
            ),
            (
                "PL/pgSQL-Funktion \"My app\".\"a \"\"b\"\"\"() Zeile 1 bei SQL-Anweisung",
                Some("\"My app\".\"a \"\"b\"\"\"()"),
            ),
            ("fonction PL/pgSQL on_ddl(), ligne 1 à instruction SQL", Some("on_ddl()")),
            ("PL/pgSQL関数app.on_ddl()の1行目 - SQL文", Some("app.on_ddl()")),
            ("PL/pgSQL function inline_code_block line 1 at RAISE", None),
            ("PL/pgSQL function f(text) line 1 at RAISE", None),
        ] {
            let error = DbError { context: Some(context.to_owned()), ..DbError::default() };
            assert_eq!(error.function(), function, "{context}");
        }
        assert_eq!(DbError::default().function(), None);
    }

    #[test]
    fn what_is_about_objects_is_shown_whole() {
        let error = error("2BP01", "cannot drop table t because other objects depend on it");
        assert_eq!(error.to_string(), error.in_full());
        assert!(!error.hides_values());
    }
}
