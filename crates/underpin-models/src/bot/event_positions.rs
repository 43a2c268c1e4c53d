//! `event_positions`.

use diesel::{dsl::case_when, prelude::*, upsert::excluded};
use diesel_async::RunQueryDsl;

use super::schema::event_positions;
use crate::{prepared::Prepare as _, repository::repository};

/// How far the events of a stream have been applied.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = event_positions, primary_key(stream), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct EventPosition {
    /// The stream's name.
    pub stream: String,
    /// When the stream was created, as its server says: a stream that is made anew counts from 1
    /// again.
    pub incarnation: String,
    /// The last applied event's number in the stream; 0 before the first.
    pub sequence: i64,
}

repository! {
    /// How far the events of a stream have been applied.
    pub trait EventPositionRepository {
        /// The number of the last event of `stream` that was applied, 0 when none was. A stream
        /// that was made anew, as `incarnation` tells, begins anew.
        ///
        /// One statement that also holds the position: asked in a transaction, it is nobody else's
        /// to move until that ends.
        write fn event_position(conn, stream: String, incarnation: String) -> i64 {
            let goes_on = event_positions::incarnation.eq(excluded(event_positions::incarnation));
            let begun = EventPosition { stream, incarnation, sequence: 0 };
            let position = diesel::insert_into(event_positions::table)
                .values(begun)
                .on_conflict(event_positions::stream)
                .do_update()
                .set((
                    event_positions::incarnation.eq(excluded(event_positions::incarnation)),
                    event_positions::sequence.eq(case_when(goes_on, event_positions::sequence)
                        .otherwise(excluded(event_positions::sequence))),
                ))
                .returning(event_positions::sequence);
            Ok(position.get_result(conn).await?)
        }

        /// Moves the position of `stream` from the event `from` to the later event `to`, and says
        /// whether it was where the caller thought. When not, somebody else has applied these
        /// events: the caller takes back what it did in the same transaction.
        write fn advance_event_position(
            conn,
            stream: String,
            incarnation: String,
            from: i64,
            to: i64,
        ) -> bool {
            let moved = diesel::update(event_positions::table.find(stream))
                .filter(event_positions::incarnation.eq(incarnation))
                .filter(event_positions::sequence.eq(from))
                .set(event_positions::sequence.eq(to))
                .prepared()
                .execute(conn)
                .await?;
            Ok(moved == 1)
        }
    }
}
