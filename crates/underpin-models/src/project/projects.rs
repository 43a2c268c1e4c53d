//! `projects`.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    schema::{control_state, projects},
    status::Phase,
};
use crate::repository::repository;

/// What people want built.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = projects, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Project {
    /// Of the row.
    pub id: i32,
    /// For people; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where the original program kept the database.
    pub db_path: String,
    /// Where the code is.
    pub root_path: Option<String>,
    /// How far it came.
    pub current_phase: Option<Phase>,
    /// What runs its tasks.
    pub default_engine: Option<String>,
    /// The specification, while it exists.
    pub spec_artifact_id: Option<i32>,
    /// The option that was chosen; options have no table, so it points to nothing here.
    pub selected_arch_option_id: Option<i32>,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
    /// The number of its newest event; 0 before the first.
    pub last_event: i64,
}

/// What a project begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewProject {
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where the code is.
    pub root_path: Option<String>,
    /// What runs its tasks.
    pub default_engine: Option<String>,
}

repository! {
    /// Projects.
    pub trait ProjectRepository {
        /// Makes project `id` with its limits, 3 attempts of 300 s. Nothing changes when it is
        /// there.
        transaction fn create_project(
            conn,
            id: i32,
            new: NewProject,
            db_path: String,
            now: NaiveDateTime,
        ) -> () {
            diesel::insert_into(projects::table)
                .values((
                    projects::id.eq(id),
                    projects::name.eq(new.name),
                    projects::description.eq(new.description),
                    projects::db_path.eq(db_path),
                    projects::root_path.eq(new.root_path),
                    projects::default_engine.eq(new.default_engine),
                    projects::created_at.eq(now),
                    projects::updated_at.eq(now),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            diesel::insert_into(control_state::table)
                .values((
                    control_state::project_id.eq(id),
                    control_state::paused.eq(false),
                    control_state::max_attempts.eq(3),
                    control_state::timeout_seconds.eq(300),
                    control_state::updated_at.eq(now),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// One project.
        read(Rows::Few) fn project(conn, id: i32) -> Option<Project> {
            let query = projects::table.find(id).select(Project::as_select());
            Ok(query.get_result(conn).await.optional()?)
        }
    }
}
