//! Many schemas of one database in turn, on a connection that somebody lends.
//!
//! What a run usually needs two connections and a dozen round trips for, it does here in two: one
//! message begins a transaction, takes the lock and reads the history, the other runs the scripts,
//! records them and commits.

use std::time::Instant;

use underpin_catalog::Dialect;
use underpin_db::Conn;

use super::{Engine, announce, failed, tell_apart};
use crate::{
    Direction, Error, Goal, Grouping, History, Options, Plan, Report, Step, StepError,
    error::Doing,
    frame::{Frame, Lent, renew},
    history::{DIESEL_TABLE, Former, Found, HISTORY_TABLE, Tables, unreadable},
    lock::{
        self, LONGEST_PAUSE, PAUSE, jittered,
        lease::{self, LEASE_TABLE},
    },
    plan::resets_path,
    session::{Held, Session},
    sql::literal,
    transaction::{self, Failure},
};

const DOING: &str = "look for the history";

/// How one transaction ended.
enum Tried {
    Done(Report),
    /// Another runner is at work on the schema.
    Locked,
    /// A table was locked for longer than `lock_timeout`.
    Waited(StepError),
    /// Another runner may have been faster than the snapshot that counts the rows.
    Overtaken(StepError),
    /// It takes more than one transaction on one connection.
    TakesMore(Grouping),
}

/// What the first message finds out.
struct Opened {
    /// Whether nobody else is at work on the schema, nor can be before the transaction ends.
    locked: bool,
    tables: Tables,
    history: History,
    /// Rows of its tables.
    rows: usize,
    /// Whether nothing is in the schema but our own tables.
    empty: bool,
}

impl Engine<'_> {
    /// [`Engine::migrate`] for `schema`, on a connection to the engine's database that somebody
    /// lends. PostgreSQL alone has schemas.
    ///
    /// Where one transaction does, this takes two round trips, three with a proof, and the lock that
    /// [`Engine::migrate`] takes. Where it does not (a schema to be recognised, a script outside a
    /// transaction, migrations that cannot share one), it is [`Engine::migrate`], with connections of its
    /// own.
    ///
    /// Afterwards no transaction is open, and the session is as its connection began: what a script left
    /// in it is gone, and so is what the lender had there. Who drops the future before it ends must
    /// close the connection.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::migrate`]; [`Error::NoSchema`] when there is no such schema.
    pub async fn migrate_in(
        &self,
        conn: &mut Conn,
        schema: &str,
        goal: &Goal,
    ) -> Result<Report, Error> {
        crate::probe::check_schemas(self.catalog.dialect(), conn.dialect())?;
        let start = Instant::now();
        let (mut pause, mut retries, mut overtaken) = (PAUSE, 0, false);
        loop {
            match self.try_in(conn, schema, goal).await? {
                Tried::Done(report) => return Ok(report),
                Tried::Waited(error) if retries == self.options.lock_retries => {
                    return Err(failed(error));
                }
                Tried::Waited(error) => {
                    retries += 1;
                    self.give_way(&error.version, retries, None).await;
                }
                Tried::Overtaken(error) if overtaken => return Err(failed(error)),
                Tried::Overtaken(_) => overtaken = true,
                Tried::Locked => {
                    let waited = start.elapsed();
                    let rest = self.options.lock_wait.saturating_sub(waited);
                    if rest.is_zero() {
                        conn.own().await.doing(DOING)?;
                        let holder = lock::holder(conn, schema).await;
                        end(conn).await;
                        return Err(Error::Locked { holder, waited });
                    }
                    tokio::time::sleep(jittered(pause).min(rest)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Tried::TakesMore(grouping) => {
                    let url = self.url.in_schema(schema);
                    let options = Options { grouping, ..self.options.clone() };
                    let engine = Engine { url: &url, options, ..self.clone() };
                    return Box::pin(engine.migrate(goal)).await;
                }
            }
        }
    }

    /// One transaction, which is ended whatever comes of it.
    async fn try_in(&self, conn: &mut Conn, schema: &str, goal: &Goal) -> Result<Tried, Error> {
        let lent = Lent {
            schema,
            lock_timeout: self.options.lock_timeout,
            statement_timeout: self.options.statement_timeout.unwrap_or_default(),
        };
        let opened = self.open_in(conn, &lent).await;
        let decided =
            opened.and_then(|opened| Ok(self.decide(&opened, goal)?.map(|run| (run, opened))));
        if !matches!(decided, Ok(Ok(_))) {
            end(conn).await;
        }
        let ((plan, grouping), opened) = match decided {
            Ok(Ok(run)) => run,
            Ok(Err(tried)) => return Ok(tried),
            Err(error) => return Err(explained(conn, schema, error).await),
        };
        let Opened { tables, history, rows, .. } = opened;
        let frame = Frame::lent(conn, &lent);
        let mut session = Session::on(Held::Lent(conn), self.catalog, tables, frame);
        session.proving = self.proving;
        session.former = Former::new(&history, rows);
        match transaction::run(&mut session, &plan.steps).await {
            Ok(steps) => {
                let span = tracing::info_span!(target: crate::LOG_TARGET, "schema", schema);
                span.in_scope(|| steps.iter().for_each(announce));
                let single = grouping != Grouping::PerMigration;
                Ok(Tried::Done(self.report(None, steps, single, &history.after(&plan))))
            }
            Err(failure) => Ok(self.tried(failure, &plan)?),
        }
    }

    /// What a transaction came to that was rolled back.
    fn tried(&self, failure: Failure, plan: &Plan<'_>) -> Result<Tried, Error> {
        if let Some(reason) = failure.apart.as_ref().filter(|_| self.may_part(&plan.steps)) {
            tell_apart(reason);
            return Ok(Tried::TakesMore(Grouping::PerMigration));
        }
        let waited = failure.is_lock_timeout();
        let overtaken = self.counts_rows() && failure.is_overtaken();
        let error = failure.rolled_back(&plan.steps, None);
        match (waited, overtaken) {
            (true, _) => Ok(Tried::Waited(error)),
            (false, true) => Ok(Tried::Overtaken(error)),
            (false, false) => Err(failed(error)),
        }
    }

    /// Begins the transaction and reads what there is to know, in one message.
    async fn open_in(&self, conn: &mut Conn, lent: &Lent<'_>) -> Result<Opened, Error> {
        conn.meet().await.doing(DOING)?;
        let schema = lent.schema;
        // What others write while rows are counted is not seen.
        let level = if self.counts_rows() { "REPEATABLE READ" } else { "READ COMMITTED" };
        let mut message = vec![format!("BEGIN ISOLATION LEVEL {level}")];
        message.extend(renew(conn, true));
        message.extend(lent.settings());
        let lock = message.len();
        message.push(format!("SELECT ({})::text", lock::try_both(schema)));
        message.push(Tables::query(Dialect::Postgres, &[schema]));
        message.push(empty(schema));
        message.push(read(schema));
        message.push("SELECT current_setting('underpin.history')".to_owned());
        message.push("SELECT current_setting('underpin.holder')".to_owned());
        let wanted = [lock, lock + 1, lock + 2, lock + 4, lock + 5];
        let answers = conn.answers(&message.join(";\n"), &wanted).await.map_err(unreadable)?;
        let answer = |statement: usize| {
            let found = answers.iter().find(|(number, _)| *number == statement);
            found.and_then(|(_, text)| text.as_deref())
        };
        let tables = Found::parse(answer(lock + 1))?.tables(Some(schema))?;
        let lines = answer(lock + 4).unwrap_or_default();
        let lines: Vec<_> = lines.split_terminator(LINE).map(str::to_owned).collect();
        Ok(Opened {
            locked: answer(lock) == Some("true") && answer(lock + 5) == Some(""),
            rows: lines.len(),
            history: History::parse(lines, self.catalog)?,
            tables,
            empty: answer(lock + 2) == Some("true"),
        })
    }

    /// What to run in the transaction that is open, or why nothing.
    fn decide(
        &self,
        opened: &Opened,
        goal: &Goal,
    ) -> Result<Result<(Plan<'_>, Grouping), Tried>, Error> {
        let Opened { locked, history, empty, .. } = opened;
        let plan = match self.plan(history, goal) {
            // The runner that is at work may be about to change that.
            Err(_) if !locked => return Ok(Err(Tried::Locked)),
            plan => plan?,
        };
        if plan.steps.is_empty() {
            let report = self.report(None, Vec::new(), false, history);
            return Ok(Err(Tried::Done(report)));
        }
        let fresh = history.is_fresh() && goal.direction() == Direction::Up;
        let grouping = self.options.grouping.of(fresh);
        // The schema is set for the transaction alone, and its default is another.
        let elsewhere = |step: &Step<'_>| {
            !step.migration.metadata.run_in_transaction || resets_path(&step.script)
        };
        if (fresh && !empty)
            || plan.transactions(grouping).len() > 1
            || plan.steps.iter().any(elsewhere)
        {
            return Ok(Err(Tried::TakesMore(self.options.grouping)));
        }
        if !locked {
            return Ok(Err(Tried::Locked));
        }
        Ok(Ok((plan, grouping)))
    }
}

/// Why the history could not be read. It is read in the message that looks for it, so that what has its name
/// and is something else is told by a look of its own.
async fn explained(conn: &mut Conn, schema: &str, error: Error) -> Error {
    if conn.is_closed() || !matches!(error, Error::Database { .. } | Error::Hidden { .. }) {
        return error;
    }
    let found = Tables::find_in(conn, schema).await;
    end(conn).await;
    match found {
        Err(told @ (Error::History(_) | Error::Hidden { .. })) => told,
        _ => error,
    }
}

/// Ends the transaction that is open, if any, and gives the connection back as it began.
async fn end(conn: &mut Conn) {
    conn.disown();
    if let Err(error) = conn.start_over().await {
        tracing::debug!(%error, "nothing to end");
    }
}

/// A query that says whether nothing is in `schema` but the tables of the history. What it cannot
/// tell, it says not to be empty.
///
/// Everything in a schema depends on it. The catalog of classes has no index by schema, and is as
/// large as all schemas together.
fn empty(schema: &str) -> String {
    format!(
        "SELECT (NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass \
         AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = {}) AND NOT (d.classid = \
         'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND \
         c.relname IN ('{DIESEL_TABLE}', '{HISTORY_TABLE}', '{HISTORY_TABLE}_id_seq', \
         '{LEASE_TABLE}')))))::text",
        literal(schema)
    )
}

/// Parts the lines that [`read`] gives; no set has it in its name.
const LINE: char = '\u{1e}';

/// A statement that puts the lines of both tables, as far as they exist, into a setting of the
/// transaction, and into another one who has the lease of the schema. A query could not name a table
/// that may not exist.
fn read(schema: &str) -> String {
    let part = |table: &str, tables: Tables| {
        format!(
            "IF to_regclass({}) IS NOT NULL THEN PERFORM set_config('underpin.history', \
             current_setting('underpin.history') || coalesce((SELECT string_agg(line || chr(30), '') \
             FROM ({}) AS l (line)), ''), true); END IF;",
            literal(&tables.qualified(table)),
            tables.lines().unwrap_or_default(),
        )
    };
    let lease = lease::table(schema);
    let held = format!(
        "IF to_regclass({}) IS NOT NULL THEN {}; PERFORM set_config('underpin.holder', \
         coalesce(({}), ''), true); END IF;",
        literal(&lease),
        lease::end_expired(&lease),
        lease::holder(&lease),
    );
    let body = format!(
        "BEGIN PERFORM set_config('underpin.history', '', true), \
         set_config('underpin.holder', '', true); {} {} {held} END",
        part(DIESEL_TABLE, Tables::of_schema(schema, true, false)),
        part(HISTORY_TABLE, Tables::of_schema(schema, false, true)),
    );
    format!("DO {}", literal(&body))
}
