//! Where a database is, as one line of text.

use std::{fmt, fmt::Write as _, path::Path, str::FromStr};

use crate::{
    Conn, ConnectError, ConnectOptions, DatabaseFile, Dialect,
    postgres::{Environment, Server},
    sqlite::Place,
};

/// Where a database is. Printing it shows all that tells two databases or schemas apart, and never a
/// password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(crate) target: Target,
    text: String,
}

#[derive(Clone)]
pub(crate) enum Target {
    Sqlite(Place),
    Postgres(Box<Server>),
}

/// The text is no URL of a database.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum UrlError {
    /// It names no kind of database.
    #[error(
        "expected a database URL, found {found}: write `sqlite://data/app.db`, \
         `sqlite:////absolute/app.db`, `sqlite::memory:` or `postgres://user@host:5432/name`"
    )]
    Scheme { found: String },
    /// It names SQLite and no file.
    #[error("expected a file in `{text}`: write `sqlite://data/app.db`")]
    NoFile { text: String },
    /// It names a machine, or has SQLite's own form of a URL in it.
    #[error(
        "`{text}` is no path of a file: write `sqlite://data/app.db`, or `sqlite:////absolute/app.db` with \
         four slashes"
    )]
    NoPath { text: String },
    /// It has a user or a password in it, which no message may show.
    #[error(
        "expected a path, found a user or a password before `@`, which an SQLite file does not have: leave out \
         what stands before the path, or write `sqlite:./…` where it is part of it"
    )]
    SqliteUser,
    /// It has options that SQLite files do not take here. No value of one that is not known is in it.
    #[error("`?{options}` is not understood in an SQLite URL: leave it out")]
    SqliteOptions { options: String },
    /// It names PostgreSQL and cannot be understood.
    #[error("this PostgreSQL URL cannot be used: {reason}")]
    Postgres { reason: String },
}

impl DatabaseUrl {
    /// An SQLite database that is gone when its one connection closes.
    #[must_use]
    pub fn memory() -> Self {
        Self { target: Target::Sqlite(Place::Memory), text: "sqlite::memory:".to_owned() }
    }

    /// The SQLite database in the file at `path`.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        let text = format!("sqlite:{}", path.display());
        Self { target: Target::Sqlite(Place::File(path.to_owned())), text }
    }

    /// The same PostgreSQL database, where connections find their tables in `schema`. An SQLite
    /// database has no schemas and stays what it is.
    #[must_use]
    pub fn in_schema(&self, schema: &str) -> Self {
        let mut url = self.clone();
        if let Target::Postgres(server) = &mut url.target {
            server.schema = Some(schema.to_owned());
            let sign = if url.text.contains('?') { '&' } else { '?' };
            url.text.push_str(&with_path(&path(schema), sign));
        }
        url
    }

    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.target {
            Target::Sqlite(_) => Dialect::Sqlite,
            Target::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The file of an SQLite database that is in one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite(Place::File(path)) => Some(path),
            _ => None,
        }
    }

    /// Where the database is, and on PostgreSQL in which path names are looked up; without user and
    /// password, so that one place has one address.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.target {
            Target::Sqlite(_) => self.to_string(),
            Target::Postgres(server) => {
                let path = server.path().map(|path| with_path(&path, '?'));
                format!("postgres://{}{}", server.address(), path.unwrap_or_default())
            }
        }
    }

    /// The same file as SQLite finds it, which need not be there yet; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When there is something else than a file, or its directory is not there.
    pub fn database_file(&self) -> Result<Option<DatabaseFile>, ConnectError> {
        self.sqlite_path().map(DatabaseFile::find).transpose()
    }

    /// Whether it is gone when its one connection closes.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.target, Target::Sqlite(Place::Memory))
    }

    /// The whole URL with its password, for handing to another program.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Opens one connection.
    ///
    /// SQLite keeps the journal mode that the file has. PostgreSQL's connection is driven by a
    /// task of the current Tokio runtime.
    pub async fn connect(&self, options: &ConnectOptions) -> Result<Conn, ConnectError> {
        match &self.target {
            Target::Sqlite(place) => place.connect(options).map(Conn::Sqlite),
            Target::Postgres(server) => server.open(options).await.map(Conn::Postgres),
        }
    }

    /// Reads a URL; what a PostgreSQL URL leaves out comes from `environment`.
    pub(crate) fn parse(text: &str, environment: &Environment<'_>) -> Result<Self, UrlError> {
        let text = text.trim();
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        let rest = text.get(scheme.len() + 1..).unwrap_or_default();
        // SQLAlchemy names a driver behind the dialect: `sqlite+aiosqlite`.
        let target = match scheme.split('+').next().unwrap_or_default() {
            "sqlite" => Target::Sqlite(place(text, rest)?),
            "postgres" | "postgresql" => {
                let server = Server::parse(&format!("postgres:{rest}"), environment)
                    .map_err(|reason| UrlError::Postgres { reason })?;
                Target::Postgres(Box::new(server))
            }
            _ => return Err(UrlError::Scheme { found: describe(text, &scheme) }),
        };
        Ok(Self { target, text: text.to_owned() })
    }
}

/// The end of a URL that sets the search path.
fn with_path(path: &str, sign: char) -> String {
    let mut end = format!("{sign}options=-csearch_path%3D");
    for byte in escaped(path).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => end.push(byte.into()),
            _ => {
                let _infallible = write!(end, "%{byte:02X}");
            }
        }
    }
    end
}

/// A schema as the only one of a search path: in quotes where the server would read another name.
pub(crate) fn path(schema: &str) -> String {
    let plain = schema.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
    if plain { schema.to_owned() } else { format!("\"{}\"", schema.replace('"', "\"\"")) }
}

/// A value as the start-up parameter `options` takes it.
pub(crate) fn escaped(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if c.is_whitespace() || c == '\\' {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// What stands where a URL should, without anything that may be secret.
fn describe(text: &str, scheme: &str) -> String {
    let plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
    match (text.is_empty(), scheme.is_empty() || !plain) {
        (true, _) => "nothing".to_owned(),
        (false, true) => "no scheme".to_owned(),
        (false, false) => format!("the scheme `{scheme}`"),
    }
}

/// `///relative`, `////absolute`, `//relative`, `relative` and `:memory:`, after `sqlite:`. More slashes than
/// four are one path as well.
fn place(text: &str, rest: &str) -> Result<Place, UrlError> {
    let path = match rest.strip_prefix("///").or_else(|| rest.strip_prefix("//")) {
        Some(path) => path,
        None => rest,
    };
    let (path, options) = path.split_once('?').unwrap_or((path, ""));
    if names_user(rest) {
        return Err(UrlError::SqliteUser);
    }
    if !options.is_empty() {
        return Err(UrlError::SqliteOptions { options: named(options) });
    }
    let machine = rest.starts_with("//") && !rest.starts_with("///");
    match path {
        "" => Err(UrlError::NoFile { text: text.to_owned() }),
        _ if path.starts_with("file:") || path.contains('\0') => {
            Err(UrlError::NoPath { text: text.to_owned() })
        }
        _ if machine && path.split('/').next() == Some("localhost") => {
            Err(UrlError::NoPath { text: text.to_owned() })
        }
        ":memory:" => Ok(Place::Memory),
        path => Ok(Place::File(path.into())),
    }
}

/// Whether a user or a password stands before the path, as in `sqlite://user:password@/app.db`. After two
/// slashes that is where other programs look for them, and a password may hold what would end it.
fn names_user(rest: &str) -> bool {
    let path = rest.trim_start_matches('/');
    let first = path.split(['/', '?']).next().unwrap_or_default();
    if rest.len() - path.len() == 2 {
        return first.contains('@') || first.contains(':') && path.contains('@');
    }
    first.split_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Options of SQLite's own form of a URL, which hold no secret.
const SQLITE_OPTIONS: [&str; 8] = [
    "mode=ro",
    "mode=rw",
    "mode=rwc",
    "mode=memory",
    "cache=shared",
    "cache=private",
    "immutable=1",
    "nolock=1",
];

/// Options for people: of one that nobody here knows the name alone, for its value may be a key.
fn named(options: &str) -> String {
    let one = |option: &str| match option.split_once('=') {
        _ if SQLITE_OPTIONS.contains(&option) => option.to_owned(),
        Some((name, _)) if is_name(name) => format!("{name}=…"),
        _ => "…".to_owned(),
    };
    options.split('&').map(one).collect::<Vec<_>>().join("&")
}

/// Whether it looks like the name of a parameter, and not like a part of a password.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(fits)
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    /// Reads a URL; what a PostgreSQL URL leaves out comes from the variables that libpq knows
    /// (`PGHOST`, `PGPASSWORD`, …) and from the password file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, &Environment { variable: &|name| std::env::var(name).ok() })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(Place::Memory) => f.write_str("sqlite::memory:"),
            Target::Sqlite(Place::File(path)) => write!(f, "sqlite:{}", path.display()),
            Target::Postgres(server) => {
                let path = server.path().map(|path| with_path(&path, '?'));
                write!(f, "postgres://{}{}", server.describe(), path.unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
