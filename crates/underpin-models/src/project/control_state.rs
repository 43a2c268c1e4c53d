//! `control_state`.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Data, Lock as _, data, note},
    refusal::{Refusal, granted},
    schema::control_state,
};
use crate::{prepared::Prepare as _, repository::repository};

/// Runs of one task before it is given up, where nobody said otherwise.
pub const MAX_ATTEMPTS: i32 = 3;
/// Seconds that a run may take, where nobody said otherwise.
pub const TIMEOUT_SECONDS: i32 = 300;

/// How far the runs of a project may go; one row per project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = control_state, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ControlState {
    /// Of the row.
    pub id: i32,
    /// The project; unique.
    pub project_id: i32,
    /// A paused project starts no run.
    pub paused: bool,
    /// Runs of one task before it is given up.
    pub max_attempts: i32,
    /// Seconds that a run may take.
    pub timeout_seconds: i32,
    /// The task that is running, while it exists.
    pub current_task_id: Option<i32>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub updated_at: NaiveDateTime,
}

/// Limits to be set; `None` leaves one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Runs of one task before it is given up; at least 1.
    pub max_attempts: Option<i32>,
    /// Seconds that a run may take; at least 1.
    pub timeout_seconds: Option<i32>,
}

impl Limits {
    fn check(self) -> Result<(), Refusal> {
        let limits =
            [("max_attempts", self.max_attempts), ("timeout_seconds", self.timeout_seconds)];
        match limits.into_iter().find_map(|(limit, found)| Some((limit, found.filter(|n| *n < 1)?)))
        {
            Some((limit, found)) => Err(Refusal::Limit { limit, found }),
            None => Ok(()),
        }
    }
}

repository! {
    /// What other repositories need of it. The project is locked.
    pub(super) trait ControlInternals {
        /// The row of the project, made when it is missing.
        transaction fn control_or_new(conn, project_id: i32, now: NaiveDateTime) -> ControlState {
            diesel::insert_into(control_state::table)
                .values((
                    control_state::project_id.eq(project_id),
                    control_state::paused.eq(false),
                    control_state::max_attempts.eq(MAX_ATTEMPTS),
                    control_state::timeout_seconds.eq(TIMEOUT_SECONDS),
                    control_state::updated_at.eq(now),
                ))
                .on_conflict(control_state::project_id)
                .do_nothing()
                .execute(conn)
                .await?;
            let query = control_state::table
                .filter(control_state::project_id.eq(project_id))
                .select(ControlState::as_select());
            Ok(query.first(conn).await?)
        }

        /// Writes the columns that change.
        write fn save_control(conn, control: ControlState) -> ControlState {
            let saved = diesel::update(control_state::table.find(control.id))
                .set((
                    control_state::paused.eq(control.paused),
                    control_state::max_attempts.eq(control.max_attempts),
                    control_state::timeout_seconds.eq(control.timeout_seconds),
                    control_state::current_task_id.eq(control.current_task_id),
                    control_state::updated_at.eq(control.updated_at),
                ))
                .returning(ControlState::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(saved)
        }

        /// Pauses or resumes, and records that as `event_type`.
        transaction fn set_paused(
            conn,
            project_id: i32,
            paused: bool,
            event_type: &'static str,
            now: NaiveDateTime,
        ) -> Result<ControlState, Refusal> {
            granted!(conn.locked(project_id).await?);
            let control = conn.control_or_new(project_id, now).await?;
            if control.paused == paused {
                return Ok(Ok(control));
            }
            conn.record(project_id, event_type, None, data! { paused: paused }, now).await?;
            Ok(Ok(conn.save_control(ControlState { paused, updated_at: now, ..control }).await?))
        }
    }
}

repository! {
    /// How far the runs of a project may go. A change makes the row when it is missing.
    pub trait ControlRepository {
        /// The row of the project; `None` also for an older project that has none.
        read(Rows::Few) fn control(conn, project_id: i32) -> Option<ControlState> {
            let query = control_state::table
                .filter(control_state::project_id.eq(project_id))
                .select(ControlState::as_select());
            Ok(query.first(conn).await.optional()?)
        }

        /// Lets no run start from now on; open ones go on. A paused project stays so.
        transaction fn pause(
            conn,
            project_id: i32,
            now: NaiveDateTime,
        ) -> Result<ControlState, Refusal> {
            conn.set_paused(project_id, true, "execution_paused", now).await
        }

        /// Lets runs start again.
        transaction fn resume(
            conn,
            project_id: i32,
            now: NaiveDateTime,
        ) -> Result<ControlState, Refusal> {
            conn.set_paused(project_id, false, "execution_resumed", now).await
        }

        /// Sets the limits of later runs.
        transaction fn set_limits(
            conn,
            project_id: i32,
            limits: Limits,
            now: NaiveDateTime,
        ) -> Result<ControlState, Refusal> {
            granted!(conn.locked(project_id).await?);
            granted!(limits.check());
            let control = conn.control_or_new(project_id, now).await?;
            let max_attempts = limits.max_attempts.unwrap_or(control.max_attempts);
            let timeout_seconds = limits.timeout_seconds.unwrap_or(control.timeout_seconds);
            let mut data = Data::new();
            note(&mut data, "max_attempts", &control.max_attempts, &max_attempts);
            note(&mut data, "timeout_seconds", &control.timeout_seconds, &timeout_seconds);
            if data.is_empty() {
                return Ok(Ok(control));
            }
            conn.record(project_id, "project_updated", None, data, now).await?;
            let control =
                ControlState { max_attempts, timeout_seconds, updated_at: now, ..control };
            Ok(Ok(conn.save_control(control).await?))
        }
    }
}
