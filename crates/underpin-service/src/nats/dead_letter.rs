//! Events that were put aside: applied again, or dropped, when a person says so.

use futures_util::FutureExt as _;
use underpin_db::{Db, DbError};
use underpin_models::bot::{DeadLetter, DeadLetterOutcome, DeadLetterRepository as _};

use super::event::Event;

/// Why a dead letter stays what it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    #[error("there is no dead letter {0}")]
    Unknown(i64),
    #[error("dead letter {id} was {} already: nothing was done", outcome.wire())]
    Settled { id: i64, outcome: DeadLetterOutcome },
    #[error("dead letter {id} cannot be understood by this release: {reason}: drop it, or keep it")]
    Malformed { id: i64, reason: String },
    #[error(
        "the database still refuses dead letter {id}: {error}: change what refuses it and try again, \
         or drop it"
    )]
    Refused { id: i64, error: DbError },
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Applies the event of a dead letter as if it came now, with the time at which it happened, or drops it.
/// The row says what was done, by whom and when, and commits with what the event changes.
pub(crate) async fn settle(
    db: &Db,
    id: i64,
    outcome: DeadLetterOutcome,
    by: String,
    now: i64,
) -> Result<DeadLetter, Unsettled> {
    let letter = db.dead_letter(id).await?.ok_or(Unsettled::Unknown(id))?;
    if let Some(outcome) = letter.outcome {
        return Err(Unsettled::Settled { id, outcome });
    }
    let event = match (outcome, Event::read(&letter.event.subject, letter.event.payload.as_bytes()))
    {
        (DeadLetterOutcome::Dropped, _) => None,
        (DeadLetterOutcome::Applied, Some(Ok(event))) => Some(event),
        (_, Some(Err(malformed))) => {
            return Err(Unsettled::Malformed { id, reason: malformed.to_string() });
        }
        (_, None) => {
            let reason = format!("it knows no subject `{}`", letter.event.subject);
            return Err(Unsettled::Malformed { id, reason });
        }
    };
    let settled = db.transaction(move |conn| {
        async move {
            let settled = conn.settle_dead_letter(id, outcome, by, now).await?;
            if let (Some(letter), Some(event)) = (&settled, event) {
                event.apply(conn, letter.event.happened_at).await?;
            }
            Ok(settled)
        }
        .boxed()
    });
    match settled.await {
        Ok(Some(letter)) => {
            let (outcome, by) = (outcome.wire(), letter.settled_by.as_deref());
            tracing::info!(by, "dead letter {id} of `{}` was {outcome}", letter.event.subject);
            Ok(letter)
        }
        // Another was faster.
        Ok(None) => Err(Unsettled::Unknown(id)),
        Err(error) if error.is_of_data() => Err(Unsettled::Refused { id, error }),
        Err(error) => Err(error.into()),
    }
}
