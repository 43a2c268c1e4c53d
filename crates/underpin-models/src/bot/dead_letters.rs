//! `dead_letters`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::dead_letters;
use crate::{db_enum::db_enum, repository::repository};

db_enum! {
    /// What became of a dead letter.
    DeadLetterOutcome {
        /// Its event was applied after all.
        Applied = "APPLIED" "applied",
        /// A person decided that it is not needed.
        Dropped = "DROPPED" "dropped",
    }
}

/// An event that cannot be understood, or that the database refused for what it says.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = dead_letters, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct DeadLetter {
    /// Of the row; never given twice.
    pub id: i64,
    /// What was put aside, and why.
    #[diesel(embed)]
    pub event: PutAside,
    /// `None` while it waits for a person.
    pub outcome: Option<DeadLetterOutcome>,
    /// When it was applied or dropped, in Unix seconds.
    pub settled_at: Option<i64>,
    /// Who had it applied or dropped.
    pub settled_by: Option<String>,
}

/// What a dead letter is made of.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = dead_letters, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct PutAside {
    /// The stream it came from; empty outside a stream.
    pub stream: String,
    /// Its number in the stream; 0 outside a stream.
    pub sequence: i64,
    /// The subject after the prefix.
    pub subject: String,
    /// What it says, as a text.
    pub payload: String,
    /// When it was published, in Unix seconds.
    pub happened_at: i64,
    /// When it was put aside, in Unix seconds.
    pub failed_at: i64,
    /// The code of the refusal: an SQLSTATE, or `SQLite` with a result code; `None` where it cannot be
    /// understood.
    pub code: Option<String>,
    /// Why it was put aside, without what it says.
    pub reason: String,
}

repository! {
    /// Events that wait for a person.
    pub trait DeadLetterRepository {
        /// Keeps an event that is put aside.
        write fn keep_dead_letter(conn, event: PutAside) -> () {
            diesel::insert_into(dead_letters::table).values(event).execute(conn).await?;
            Ok(())
        }

        /// The first `limit` letters with an id above `after`, by id; only those that wait unless
        /// `settled`. A limit below 0 is 0.
        read(Rows::at_most(limit)) fn dead_letters(
            conn,
            after: i64,
            settled: bool,
            limit: i64,
        ) -> Vec<DeadLetter> {
            let query = dead_letters::table
                .filter(dead_letters::id.gt(after))
                .filter(dead_letters::outcome.is_null().or(dead_letters::outcome.is_not_null().eq(settled)))
                .order(dead_letters::id)
                .limit(limit.max(0))
                .select(DeadLetter::as_select());
            Ok(query.load(conn).await?)
        }

        /// One letter, settled or not.
        read(Rows::Few) fn dead_letter(conn, id: i64) -> Option<DeadLetter> {
            let query = dead_letters::table.find(id).select(DeadLetter::as_select());
            Ok(query.get_result(conn).await.optional()?)
        }

        /// How many letters wait for a person.
        read(Rows::Few) fn waiting_dead_letters(conn) -> i64 {
            let query = dead_letters::table.filter(dead_letters::outcome.is_null()).count();
            Ok(query.get_result(conn).await?)
        }

        /// Settles a letter that waits, for `by`, at `now` (Unix seconds), and gives it. `None` when
        /// there is none, or another was faster.
        write fn settle_dead_letter(
            conn,
            id: i64,
            outcome: DeadLetterOutcome,
            by: String,
            now: i64,
        ) -> Option<DeadLetter> {
            let update = diesel::update(dead_letters::table.find(id))
                .filter(dead_letters::outcome.is_null())
                .set((
                    dead_letters::outcome.eq(outcome),
                    dead_letters::settled_at.eq(now),
                    dead_letters::settled_by.eq(by),
                ))
                .returning(DeadLetter::as_returning());
            Ok(update.get_result(conn).await.optional()?)
        }
    }
}
