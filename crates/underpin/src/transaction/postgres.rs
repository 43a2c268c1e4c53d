//! A transaction of PostgreSQL travels in one message, scripts and history included, unless the
//! code or the notes of a migration come in between.

use std::time::Instant;

use underpin_db::DbError;

use super::{Failure, PENDING, Place, millis, place, report};
use crate::{
    Step, StepCause, StepReport, checkpoint::checkpoint, code, frame::CONSTRAINTS,
    history::is_without_rights, proof::Before, session::Session, sql::literal, stepwise,
};

pub(super) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    let mut result = transaction(session, steps).await;
    if let Err(failure) = &mut result {
        session.roll_back().await;
        let silent = failure.cause.database().is_some_and(|error| error.sqlstate.is_none());
        failure.lost = silent && session.conn.is_closed();
    }
    result.map_err(|failure| failure.parted(steps))
}

async fn transaction(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    let mut reports = Vec::with_capacity(steps.len());
    let mut message = Message::default();
    session.frame.start().for_each(|statement| message.push(statement));
    if session.expects_empty {
        message.send(session, &mut reports).await?;
        message = Message::default();
        session.still_empty().await.map_err(|cause| Failure::new(0, cause))?;
    }
    session.tables.create().iter().for_each(|statement| message.push(statement));
    let mut before = Before::default();
    if session.counts_rows() {
        message.send(session, &mut reports).await?;
        message = Message::default();
        before = session.before_proof(steps).await.map_err(|error| Failure::new(0, error))?;
    }
    for (index, step) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        let pauses = step.code.is_some() || step.notes_query().is_some();
        if pauses {
            // What comes before must not count as time of this step.
            message.send(session, &mut reports).await?;
            message = Message::default();
        }
        let start = Instant::now();
        message.begin(index, step);
        message.push(&session.before(step));
        session.frame.script.iter().for_each(|statement| message.push(statement));
        message.push(NOTE_START);
        message.push_script(step);
        if let Some(check) = stepwise::passed_over(step) {
            message.push(&check);
        }
        if last && step.code.is_none() {
            message.push_constraints();
        }
        let mut notes = Vec::new();
        if pauses {
            session.frame.renew.iter().for_each(|statement| message.push(statement));
            message.send(session, &mut reports).await?;
            if let Some(code) = step.code {
                let run = code::run(session, code, last);
                run.await.map_err(|cause| Failure::new(index, cause))?;
            }
            notes = session.notes(step).await.map_err(|error| Failure::new(index, error))?;
            message = Message::default();
            message.begin(index, step);
        }
        let duration = if pauses { millis(start).to_string() } else { MILLIS.to_owned() };
        reports.push(StepReport { elapsed_ms: None, ..report(step, 0, notes) });
        session.frame.record.iter().for_each(|statement| message.push(statement));
        message.push_record(&session.after(step, duration));
        session.frame.renew.iter().for_each(|statement| message.push(statement));
        if !last {
            message.push(&pending());
        }
    }
    if session.proving.is_some() {
        message.send(session, &mut reports).await?;
        message = Message::default();
        let end = |cause: StepCause| Failure::new(steps.len() - 1, cause);
        let history = session.history_now().await.map_err(|error| end(error.into()))?;
        session.prove(steps, &history, &before).await.map_err(end)?;
    }
    message.push(&session.history_is_kept(steps));
    session.frame.end().for_each(|statement| message.push(statement));
    message.send(session, &mut reports).await?;
    session.former.advance(steps);
    Ok(reports)
}

/// Keeps the time at which a script began, for as long as the transaction. It runs where the user's
/// settings hold already.
const NOTE_START: &str = "SELECT pg_catalog.set_config('underpin.start', \
                          extract(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.text, true)";

/// Milliseconds since then, as the server sees it. NULL when the script reset all settings.
const MILLIS: &str = "((extract(epoch FROM clock_timestamp())::float8 - \
                      nullif(current_setting('underpin.start', true), '')::float8) * 1000)::bigint";

/// The statement that ends the transaction when a script left something to be done at its end: the next
/// script must not find that, and nothing but the end of the transaction does it.
///
/// Deferred constraints and triggers are on tables in which this transaction changed rows.
fn pending() -> String {
    let body = format!(
        "BEGIN IF EXISTS (SELECT FROM pg_locks AS l JOIN pg_trigger AS t ON t.tgrelid = l.relation \
         WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' \
         AND t.tgdeferrable) THEN RAISE EXCEPTION 'deferred constraints or triggers' \
         USING ERRCODE = '{PENDING}'; END IF; END"
    );
    format!("DO {}", literal(&body))
}

/// Statements that travel together, and where the steps are among them.
#[derive(Default)]
struct Message<'s> {
    text: String,
    statements: usize,
    parts: Vec<Part<'s>>,
}

/// What a message holds of a step.
struct Part<'s> {
    index: usize,
    step: &'s Step<'s>,
    /// Where it begins.
    start: Mark,
    /// Where its script begins, if the message has it.
    script: Option<Mark>,
    /// The number of the statement that does what the script left for the end, if the message has it.
    constraints: Option<usize>,
    /// The number of the statement that records it, if the message has it.
    record: Option<usize>,
}

/// What of a message comes before a place in it.
#[derive(Clone, Copy)]
struct Mark {
    chars: usize,
    statements: usize,
}

impl<'s> Message<'s> {
    fn mark(&self) -> Mark {
        Mark { chars: self.text.chars().count(), statements: self.statements }
    }

    /// What follows belongs to this step.
    fn begin(&mut self, index: usize, step: &'s Step<'s>) {
        let start = self.mark();
        self.parts.push(Part { index, step, start, script: None, constraints: None, record: None });
    }

    fn push(&mut self, statement: &str) {
        self.text.push_str(statement);
        self.text.push_str(";\n");
        self.statements += 1;
    }

    fn push_script(&mut self, step: &Step<'_>) {
        let script = self.mark();
        if let Some(part) = self.parts.last_mut() {
            part.script = Some(script);
        }
        self.text.push_str(&step.script);
        self.text.push_str("\n;\n");
        self.statements += step.statements().len();
    }

    fn push_constraints(&mut self) {
        let constraints = self.statements;
        if let Some(part) = self.parts.last_mut() {
            part.constraints = Some(constraints);
        }
        self.push(CONSTRAINTS);
    }

    /// The record tells how long the step took.
    fn push_record(&mut self, statement: &str) {
        let record = self.statements;
        if let Some(part) = self.parts.last_mut() {
            part.record = Some(record);
        }
        self.push(&format!("{statement} RETURNING duration_ms::text"));
    }

    /// Sends it, and fills in how long the recorded steps took.
    async fn send(
        &self,
        session: &mut Session<'_>,
        reports: &mut [StepReport],
    ) -> Result<(), Failure> {
        if self.statements == 0 {
            return Ok(());
        }
        checkpoint();
        let records: Vec<_> = self.parts.iter().filter_map(|part| part.record).collect();
        let result = session.conn.answers(&self.text, &records).await;
        checkpoint();
        let answers = result.map_err(|error| self.failure(error))?;
        for part in &self.parts {
            let answer = answers.iter().find(|(statement, _)| Some(*statement) == part.record);
            if let (Some(report), Some((_, millis))) = (reports.get_mut(part.index), answer) {
                report.elapsed_ms = millis.as_deref().and_then(|millis| millis.parse().ok());
            }
        }
        Ok(())
    }

    /// Finds the step and the statement that failed: by the position in the text where the server
    /// gives one (it does for what it could not understand), else by how many statements were done.
    fn failure(&self, error: DbError) -> Failure {
        let is_before = |mark: Mark| match (error.position, error.completed) {
            (Some(position), _) => mark.chars < position,
            (None, Some(completed)) => mark.statements <= completed,
            (None, None) => false,
        };
        let part = self.parts.iter().rfind(|part| is_before(part.start)).or(self.parts.first());
        let place = part.and_then(|part| part.place(&error));
        let index = part.map_or(0, |part| part.index);
        let is_left =
            |part: &Part<'_>| part.constraints.is_some() && part.constraints == error.completed;
        if place.is_some() || self.parts.iter().any(is_left) {
            return Failure { place, ..Failure::new(index, error) };
        }
        Failure::new(
            index,
            match StepCause::own(error) {
                StepCause::Database(error) if is_without_rights(&error) => {
                    StepCause::HistoryRights(error)
                }
                cause => cause,
            },
        )
    }
}

impl Part<'_> {
    fn place(&self, error: &DbError) -> Option<Place> {
        let script = self.script?;
        let statements = self.step.statements();
        let number = match error.position {
            Some(position) => {
                let chars = position.checked_sub(script.chars + 1)?;
                let offset = self.step.script.char_indices().nth(chars)?.0;
                statements.iter().rposition(|statement| statement.offset <= offset)?
            }
            None => error.completed?.checked_sub(script.statements)?,
        };
        statements.get(number).map(|statement| place(number, statement))
    }
}
