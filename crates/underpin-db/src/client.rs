//! One PostgreSQL connection, to a server or to a pooler in front of it.
//!
//! A pooler gives each transaction to whichever of its own connections is free, so nothing that is
//! set for a session holds. What must hold is set again in each transaction, by the message that
//! begins it.

use tokio_postgres::{Client, SimpleQueryRow};
use underpin_catalog::{
    Dialect,
    statement::{self, Kind},
};

use crate::{
    DbError,
    postgres::{Setting, announced, session},
    simple::simple_query,
};

/// One PostgreSQL connection.
pub struct PgClient {
    client: Client,
    /// The process that the other side announced; a pooler may announce none.
    announced: Option<i32>,
    /// What was to be set when the connection began.
    settings: Vec<Setting>,
    /// The other side did not take the settings, which a server does.
    refused: bool,
    /// What is known of the other side, once somebody asked.
    met: Option<Box<Met>>,
    /// Whether the settings are those of our own statements.
    own: bool,
    /// Whether a transaction is open; not looked after on a direct connection.
    open: bool,
}

/// What is at the other end.
struct Met {
    /// A pooler, and not the server itself.
    pooled: bool,
    /// A server that only reads.
    standby: bool,
    /// The process that answered; behind a pooler the next one may be another.
    backend: i32,
    /// The schema that unqualified names are made in.
    schema: Option<String>,
    /// The schemas of the path that exist, in their order.
    path: Vec<String>,
    /// Behind a pooler: whether a session begins with other settings than it should.
    otherwise: bool,
}

impl PgClient {
    pub(crate) fn new(client: Client, settings: Vec<Setting>, refused: bool) -> Self {
        let announced = announced(&client).filter(|process| *process != 0);
        Self { client, announced, settings, refused, met: None, own: false, open: false }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.met.as_ref().is_some_and(|met| met.pooled)
    }

    pub(crate) fn names_path(&self) -> bool {
        self.settings.iter().any(|setting| setting.name == "search_path" && !setting.default)
    }

    pub(crate) fn backend(&self) -> i32 {
        self.met.as_ref().map_or(0, |met| met.backend)
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.met.as_ref()?.schema.as_deref()
    }

    pub(crate) fn path(&self) -> &[String] {
        self.met.as_ref().map_or(&[], |met| &met.path)
    }

    pub(crate) fn begins_otherwise(&self) -> bool {
        self.names_path() || self.met.as_ref().is_some_and(|met| met.otherwise)
    }

    /// Finds out what is at the other end, once.
    pub(crate) async fn meet(&mut self) -> Result<(), DbError> {
        if self.met.is_none() { self.ask(None).await } else { Ok(()) }
    }

    /// Lets what follows run under the settings of our own statements: for the whole session, or
    /// behind a pooler in each transaction.
    pub(crate) async fn own(&mut self) -> Result<(), DbError> {
        if self.own {
            return Ok(());
        }
        match &self.met {
            // The server must not keep them where a pooler hands it on to others.
            None => {
                let pooled = session::is_another(self.announced.unwrap_or_default());
                self.ask(Some(&pooled)).await?;
            }
            Some(met) if met.pooled => {}
            Some(_) => drop(self.rows(&owned("false").join(";\n")).await?),
        }
        self.own = true;
        Ok(())
    }

    /// Lets what follows run under the settings that the session has.
    pub(crate) fn disown(&mut self) {
        self.own = false;
    }

    /// Asks the other side what it is; `own` is SQL that says whether the settings of our own
    /// statements hold for the transaction alone.
    async fn ask(&mut self, own: Option<&str>) -> Result<(), DbError> {
        let statements = own.map(owned).into_iter().flatten();
        let triggers = session::triggers(own.unwrap_or("true"));
        let ask = [session::IN_ANY_TIME.to_owned(), triggers, session::ASK.to_owned()];
        let statements: Vec<_> = ask.into_iter().chain(statements).collect();
        let mut answer = Answer::read(&self.rows(&statements.join(";\n")).await?);
        let pooled = self.refused || self.announced != Some(answer.backend);
        let mut otherwise = false;
        if pooled {
            // The settings that the session has are somebody else's.
            let path =
                if self.names_path() { self.set() } else { session::DEFAULT_PATH.to_owned() };
            let [authorization, role] = session::AUTHORIZATION;
            let message = [session::IN_ANY_TIME, authorization, role, &path, session::ASK];
            let rows = self.rows(&message.join(";\n")).await?;
            answer = Answer::read(&rows);
            let path = rows.into_iter().find(|row| row.len() == 3 && !self.names_path());
            otherwise = path.as_ref().is_some_and(|row| row[2].as_deref() == Some("t"));
            self.settings.extend(
                path.and_then(|mut row| row.swap_remove(0)).map(|value| Setting {
                    name: "search_path".to_owned(),
                    value,
                    default: true,
                }),
            );
        }
        let Answer { backend, standby, schema, path } = answer;
        self.met = Some(Box::new(Met { pooled, standby, backend, schema, path, otherwise }));
        Ok(())
    }

    async fn rows(&self, statements: &str) -> Result<Vec<Vec<Option<String>>>, DbError> {
        let row = |_, row: &SimpleQueryRow| {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        };
        simple_query(&self.client, statements, row).await
    }

    /// The statements that make the session as its connection began and give it what it was to begin
    /// with, for as long as the connection or behind a pooler for the transaction.
    pub(crate) fn as_new(&self) -> Vec<String> {
        let mut statements = session::as_new(self.is_pooled());
        statements.extend(self.reset().split_off(1));
        statements
    }

    /// The statements that undo all settings that were made since the connection began.
    pub(crate) fn reset(&self) -> Vec<String> {
        let pooled = self.is_pooled();
        let again = pooled.then(|| self.set());
        let held = session::held(if pooled { "true" } else { "false" });
        ["RESET ALL".to_owned()].into_iter().chain(again).chain(held).collect()
    }

    /// What a transaction behind a pooler leaves to the next client, when it is as new otherwise.
    pub(crate) fn given_back() -> Vec<String> {
        vec!["RESET ALL".to_owned(), session::kept_by_pooler()]
    }

    /// Ends whatever transaction is open, and makes the session as new. The two travel together: behind
    /// a pooler the next message may be on another of its connections.
    pub(crate) async fn start_over(&mut self) -> Result<(), DbError> {
        let mut statements = vec!["ROLLBACK".to_owned()];
        if self.is_pooled() {
            statements.extend(session::as_new(true));
            statements.extend(Self::given_back());
        } else {
            statements.extend(self.as_new());
            statements.extend(self.own.then(|| session::own("false")));
        }
        self.send(&statements.join(";\n"), |_, _| None::<()>).await.map(drop)
    }

    /// The statement that sets what the connection was to begin with.
    fn set(&self) -> String {
        let settings = self.settings.iter().map(|one| (one.name.as_str(), one.value.as_str()));
        session::set(settings, "true")
    }

    /// The statements that come before a message outside a transaction, behind a pooler.
    ///
    /// The level of the transaction can be set as long as nothing was read, and what begins it in
    /// `statements` may only say the same.
    fn prefix(&self, statements: &str) -> Vec<String> {
        let level = statements.strip_prefix("BEGIN ISOLATION LEVEL ");
        let level = level.map_or("READ COMMITTED", |rest| rest.split(';').next().unwrap_or(rest));
        let writes = self.met.as_ref().is_some_and(|met| !met.standby);
        let writes = if writes { " READ WRITE" } else { "" };
        let [authorization, role] = session::AUTHORIZATION.map(str::to_owned);
        let set = format!("SET TRANSACTION ISOLATION LEVEL {level}{writes}");
        let own = if self.own { owned("true") } else { Vec::new() };
        [set, authorization, role, self.set()].into_iter().chain(own).collect()
    }

    /// Sends `statements` in one message, and keeps what `read` makes of the rows, given the number
    /// of the statement. An error says how many were done.
    pub(crate) async fn send<T>(
        &mut self,
        statements: &str,
        read: impl Fn(usize, &SimpleQueryRow) -> Option<T>,
    ) -> Result<Vec<T>, DbError> {
        if self.met.as_ref().is_some_and(|met| !met.pooled) {
            return simple_query(&self.client, statements, read).await;
        }
        let controls = controls(statements);
        // A transaction that failed takes nothing else, whether we know of it or not.
        let ends = controls.first().is_some_and(|control| control.number == 0 && !control.begins);
        let result = if !self.is_pooled() || self.open || ends {
            simple_query(&self.client, statements, read).await
        } else if statements.contains('\\') {
            self.send_apart(statements, &controls, read).await
        } else {
            let prefix = self.prefix(statements);
            let before = prefix.len();
            let prefix = format!("{};\n", prefix.join(";\n"));
            let read = |number: usize, row: &SimpleQueryRow| read(number.checked_sub(before)?, row);
            let text = format!("{prefix}{statements}");
            simple_query(&self.client, &text, read).await.map_err(|error| DbError {
                completed: error.completed.map(|completed| completed.saturating_sub(before)),
                position: error
                    .position
                    .and_then(|position| position.checked_sub(prefix.chars().count())),
                ..error
            })
        };
        self.follow(&controls, &result);
        result
    }

    /// The server reads a whole message before it runs the first statement of it, so where a string
    /// ends must be settled by a message before: a backslash may be the one or the other.
    async fn send_apart<T>(
        &self,
        statements: &str,
        controls: &[Control],
        read: impl Fn(usize, &SimpleQueryRow) -> Option<T>,
    ) -> Result<Vec<T>, DbError> {
        let begin = format!("BEGIN;\n{}", self.prefix(statements).join(";\n"));
        simple_query(&self.client, &begin, |_, _| None::<()>).await?;
        let result = simple_query(&self.client, statements, read).await;
        if !controls.is_empty() {
            return result;
        }
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = simple_query(&self.client, end, |_, _| None::<()>).await;
        result.and_then(|rows| ended.map(|_| rows))
    }

    /// Notes whether a transaction is open after a message.
    fn follow<T>(&mut self, controls: &[Control], result: &Result<T, DbError>) {
        let done = match result {
            Ok(_) => usize::MAX,
            Err(error) => error.completed.unwrap_or(0),
        };
        if let Some(last) = controls.iter().rfind(|control| control.number < done) {
            self.open = last.begins;
        }
    }

    /// Sends one statement that may not be able to run in a transaction. Behind a pooler nothing is set for
    /// it, and it leaves nothing to the pooler's next client.
    pub(crate) async fn send_alone(&mut self, statement: &str) -> Result<(), DbError> {
        let controls = controls(statement);
        let goes_on = controls.last().map_or(self.open, |control| control.begins);
        let result = if self.is_pooled() && !goes_on {
            self.send_and_renew(statement).await.map_err(DbError::behind_a_pooler)
        } else {
            simple_query(&self.client, statement, |_, _| None::<()>).await.map(drop)
        };
        self.follow(&controls, &result);
        result
    }

    /// What makes the session as new travels with the statement, for what comes later may come to another
    /// connection of the pooler's. A statement that runs outside a transaction alone is followed by it: a
    /// pooler takes the connection again that it got back last, unless somebody else was faster.
    async fn send_and_renew(&self, statement: &str) -> Result<(), DbError> {
        let renew = session::as_new(true).into_iter().chain(Self::given_back());
        let renew = renew.collect::<Vec<_>>().join(";\n");
        let renew_now =
            async || simple_query(&self.client, &renew, |_, _| None::<()>).await.map(drop);
        if !is_alone(statement) {
            // A comment may be what it ends with.
            let together = format!("{statement}\n;\n{renew}");
            match simple_query(&self.client, &together, |_, _| None::<()>).await {
                // Not all that it had done goes with its transaction.
                Err(error) if error.is_of_outside() => renew_now().await?,
                result => return result.map(drop),
            }
        }
        simple_query(&self.client, statement, |_, _| None::<()>).await?;
        renew_now().await
    }
}

/// Whether it is known by its words that a transaction does not take it.
fn is_alone(statement: &str) -> bool {
    let split = statement::split(statement, Dialect::Postgres).unwrap_or_default();
    split.iter().any(|one| one.kind == Kind::NotInTransaction)
}

/// The answer to [`session::ASK`].
struct Answer {
    backend: i32,
    standby: bool,
    schema: Option<String>,
    path: Vec<String>,
}

impl Answer {
    fn read(rows: &[Vec<Option<String>>]) -> Self {
        let rows: Vec<_> = rows.iter().filter(|row| row.len() == 4).collect();
        let first = |column: usize| rows.first().and_then(|row| row[column].clone());
        Self {
            backend: first(0).and_then(|backend| backend.parse().ok()).unwrap_or_default(),
            standby: first(1).as_deref() == Some("t"),
            schema: first(2),
            path: rows.iter().filter_map(|row| row[3].clone()).collect(),
        }
    }
}

/// The statements that let a session run our own statements.
fn owned(local: &str) -> Vec<String> {
    session::held(local).into_iter().chain([session::own(local)]).collect()
}

/// A statement that begins or ends a transaction.
struct Control {
    /// Among the statements of the message, from 0.
    number: usize,
    begins: bool,
}

fn controls(statements: &str) -> Vec<Control> {
    let statements = statement::split(statements, Dialect::Postgres).unwrap_or_default();
    let control = |(number, one): (usize, &statement::Statement<'_>)| {
        let begins = match statement::control(one.text, Dialect::Postgres)? {
            statement::Control::Begin
            | statement::Control::CommitAndChain
            | statement::Control::RollBackAndChain => true,
            statement::Control::Commit | statement::Control::RollBack => false,
            statement::Control::Savepoint | statement::Control::RollBackTo => return None,
        };
        Some(Control { number, begins })
    };
    statements.iter().enumerate().filter_map(control).collect()
}

#[cfg(test)]
mod tests {
    use super::controls;

    #[test]
    fn what_begins_and_ends_a_transaction_is_found() {
        for (text, found) in [
            (
                "BEGIN; SELECT 'COMMIT'; ROLLBACK TO SAVEPOINT a; COMMIT",
                &[(0, true), (3, false)][..],
            ),
            ("SELECT 1;;\n-- BEGIN\nSTART TRANSACTION", &[(1, true)]),
            ("SAVEPOINT a; RELEASE a; ROLLBACK TRANSACTION TO a", &[]),
            ("ROLLBACK", &[(0, false)]),
            (
                "COMMIT AND CHAIN; ABORT WORK AND CHAIN; END AND NO CHAIN",
                &[(0, true), (1, true), (2, false)],
            ),
            ("DO 'BEGIN PERFORM 1; END'", &[]),
        ] {
            let controls: Vec<_> =
                controls(text).iter().map(|one| (one.number, one.begins)).collect();
            assert_eq!(controls, found, "{text}");
        }
    }
}
