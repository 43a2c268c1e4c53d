//! `registered_projects`.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::registered_projects as table;
use crate::{db_enum::db_enum, prepared::Prepare as _, repository::repository};

db_enum! {
    /// What may be done with a project.
    ProjectState {
        /// Its database is being made, or was when somebody died.
        Creating = "CREATING" "creating",
        /// It may be opened.
        Ready = "READY" "ready",
        /// Its database was put aside.
        Archived = "ARCHIVED" "archived",
        /// Its database was to be deleted, and that did not end: it can only be purged.
        Failed = "FAILED" "failed",
    }
}

/// A project and where its data lives.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct RegisteredProject {
    /// Never given twice.
    pub id: i32,
    /// For people; unique.
    pub name: String,
    /// An SQLite file, below the directory of the data, or a PostgreSQL schema.
    pub target: String,
    /// What may be done with it.
    pub state: ProjectState,
    /// The newest migration that is applied, as far as this service knows.
    pub head: Option<String>,
    /// Why it failed.
    pub problem: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC; when it, its state or its head changed.
    pub updated_at: NaiveDateTime,
    /// Its newest event, as far as the registry was told; `None` when nobody has opened it since the
    /// registry is told of events.
    pub last_event: Option<i64>,
}

repository! {
    /// Which projects there are.
    pub trait RegistryRepository {
        /// Registers a project that is being created, with a number that nobody had before.
        /// `None` when the name is taken.
        transaction fn register_project(
            conn,
            name: String,
            now: NaiveDateTime,
        ) -> Option<RegisteredProject> {
            let new = (
                table::name.eq(name),
                table::target.eq(""),
                table::state.eq(ProjectState::Creating),
                table::created_at.eq(now),
                table::updated_at.eq(now),
                table::events_before.eq(0_i64),
                table::last_event.eq(0_i64),
            );
            let insert = diesel::insert_into(table::table).values(new);
            let insert = insert.on_conflict(table::name).do_nothing();
            let id: Option<i32> =
                insert.returning(table::id).get_result(conn).await.optional()?;
            let Some(id) = id else { return Ok(None) };
            let update = diesel::update(table::table.find(id))
                .set(table::target.eq(format!("project_{id}")))
                .returning(RegisteredProject::as_returning());
            Ok(Some(update.get_result(conn).await?))
        }

        /// One project, whatever its state.
        read(Rows::Few) fn registered_project(conn, id: i32) -> Option<RegisteredProject> {
            let query = table::table.find(id).select(RegisteredProject::as_select());
            Ok(query.get_result(conn).await.optional()?)
        }

        /// The first `limit` projects of `states` whose number is above `after`, by number. A limit
        /// below 0 is 0.
        read(Rows::at_most(limit)) fn registered_projects(
            conn,
            states: Vec<ProjectState>,
            after: i32,
            limit: i64,
        ) -> Vec<RegisteredProject> {
            let query = table::table
                .filter(table::id.gt(after))
                .filter(table::state.eq_any(states))
                .order(table::id)
                .limit(limit.max(0))
                .select(RegisteredProject::as_select());
            Ok(query.load(conn).await?)
        }

        /// Notes that project `id`, which was in one of the states `from`, is in `state` now. Says
        /// whether it was.
        write fn change_project_state(
            conn,
            id: i32,
            from: Vec<ProjectState>,
            state: ProjectState,
            problem: Option<String>,
            now: NaiveDateTime,
        ) -> bool {
            let update = diesel::update(table::table.find(id))
                .filter(table::state.eq_any(from))
                .set((
                    table::state.eq(state),
                    table::problem.eq(problem),
                    table::updated_at.eq(now),
                ));
            Ok(update.execute(conn).await? == 1)
        }

        /// Notes the newest migration of project `id`.
        write fn note_project_head(conn, id: i32, head: String, now: NaiveDateTime) -> () {
            diesel::update(table::table.find(id))
                .set((table::head.eq(head), table::updated_at.eq(now)))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Notes that project `id` was changed `at`. What is later already stays.
        write fn note_project_update(conn, id: i32, at: NaiveDateTime) -> () {
            diesel::update(table::table.find(id))
                .filter(table::updated_at.lt(at))
                .set(table::updated_at.eq(at))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Forgets project `id` if it is in one of the states `from`. Its number is not given
        /// again. Says whether it was there.
        write fn forget_project(conn, id: i32, from: Vec<ProjectState>) -> bool {
            let gone = table::table.find(id).filter(table::state.eq_any(from));
            Ok(diesel::delete(gone).execute(conn).await? == 1)
        }
    }
}
