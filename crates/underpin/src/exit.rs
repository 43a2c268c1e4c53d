//! How a program says what a run came to: exit codes and the text of an error.
//!
//! The command line and the service share them, so that a script can tell the outcomes apart
//! whichever of the two it starts.

use underpin_db::{ConnectError, DbError};

use crate::{Error, StepCause};

/// A script or the database failed; what ran before it stays and is named.
pub const FAILED: u8 = 1;
/// Usage or configuration.
pub const USAGE: u8 = 2;
/// Refused before anything ran: diverged, missing, out of order, schema does not fit.
pub const REFUSED: u8 = 3;
/// Something is pending.
pub const PENDING: u8 = 4;
/// Another runner is at work, or another program at an SQLite file, and the wait for it ran out or there was none.
pub const LOCKED: u8 = 5;

/// The exit code of a run that ended in `error`.
#[must_use]
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Connect(error) if error.is_configuration() => USAGE,
        Error::Catalog(_)
        | Error::Dialect { .. }
        | Error::NoBackup
        | Error::NoSchemas
        | Error::LeavesNothing => USAGE,
        Error::NotAgain { source, .. } => code(source),
        Error::Refused(refused) if refused.awaits_another() => LOCKED,
        Error::Refused(_)
        | Error::Adopt(_)
        | Error::Elsewhere { .. }
        | Error::ServersOwn { .. }
        | Error::Hidden { .. }
        | Error::ScriptNeedsHistory(_)
        | Error::ScriptWithoutCode { .. } => REFUSED,
        Error::Locked { .. } | Error::Connect(ConnectError::Busy { .. }) => LOCKED,
        Error::Database { source, .. } if source.is_busy() => LOCKED,
        Error::Step(step) if step.cause.is_busy() => LOCKED,
        _ => FAILED,
    }
}

/// `error` with its causes, one per line. A cause that an error has told already is left out.
#[must_use]
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error, ToString::to_string)
}

/// [`explain`], with the values of rows that a database names: for a person who asked for them, and
/// for no log.
#[must_use]
pub fn explain_in_full(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error, |error| database(error).map_or_else(|| error.to_string(), DbError::in_full))
}

fn chain(
    error: &(dyn std::error::Error + 'static),
    say: impl Fn(&(dyn std::error::Error + 'static)) -> String,
) -> String {
    let mut text = say(error);
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = say(cause);
        if !has_told(&text, &cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    text
}

/// Whether `text` is `cause`, or has it after its last colon. Anywhere else the words of a cause stand by
/// chance: what a script raises may be as short as `a`.
fn has_told(text: &str, cause: &str) -> bool {
    let before = text.strip_suffix(cause);
    before.is_some_and(|before| before.is_empty() || cause.is_empty() || before.ends_with(": "))
}

/// What a database said, when `error` is nothing else.
fn database<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e DbError> {
    match error.downcast_ref() {
        Some(StepCause::Database(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use underpin_db::DbError;

    use super::explain;
    use crate::{Direction, Error, Left, StepCause, StepError};

    fn said(message: &str) -> DbError {
        DbError { message: message.to_owned(), ..DbError::default() }
    }

    fn failed(message: &str) -> Error {
        Error::Step(Box::new(StepError {
            version: "0001".parse().unwrap(),
            name: "one".to_owned(),
            direction: Direction::Up,
            place: None,
            left: Left::Nothing,
            undone: Vec::new(),
            kept: Vec::new(),
            blockers: None,
            cause: StepCause::Database(said(message)),
        }))
    }

    #[rstest]
    #[case::of_one_letter("a")]
    #[case::a_part_of_a_word("thing")]
    #[case::the_last_word("nothing")]
    #[case::the_last_words("it was rolled back and left nothing")]
    fn a_cause_is_told_whatever_words_it_has(#[case] message: &str) {
        let text = explain(&failed(message));

        let cause = format!("\n  because: {message}");
        assert!(text.ends_with(&cause) && text.matches("because").count() == 1, "{text}");
    }

    #[test]
    fn a_cause_that_the_text_ends_with_is_told_once() {
        let target = "u@h:5432/d".to_owned();
        let error = underpin_db::ConnectError::Refused { target, source: said("no such role") };
        for text in [explain(&error), explain(&Error::Connect(error))] {
            assert_eq!(text, "PostgreSQL at u@h:5432/d refused the connection: no such role");
        }
        assert_eq!(explain(&failed("")), failed("").to_string());
    }
}
