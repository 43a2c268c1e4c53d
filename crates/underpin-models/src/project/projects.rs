//! `projects`.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Data, Lock as _, data, note},
    control_state::ControlInternals as _,
    page::Page,
    refusal::{Refusal, granted},
    schema::projects,
    status::Phase,
};
use crate::{prepared::Prepare as _, repository::repository};

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

/// A project to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewProject {
    /// For people; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where the code is.
    pub root_path: Option<String>,
    /// What runs its tasks.
    pub default_engine: Option<String>,
    /// Where the database is.
    pub db_path: String,
}

/// What is to change in a project: `None` leaves a value, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
    /// Another place of the code.
    pub root_path: Option<Option<String>>,
    /// Another engine.
    pub default_engine: Option<Option<String>>,
    /// How far it came.
    pub current_phase: Option<Option<Phase>>,
}

impl Project {
    /// With `update`, and what of it is new.
    fn updated(&self, update: ProjectUpdate) -> (Self, Data) {
        let mut new = self.clone();
        new.name = update.name.unwrap_or(new.name);
        new.description = update.description.unwrap_or(new.description);
        new.root_path = update.root_path.unwrap_or(new.root_path);
        new.default_engine = update.default_engine.unwrap_or(new.default_engine);
        new.current_phase = update.current_phase.unwrap_or(new.current_phase);
        let mut data = Data::new();
        note(&mut data, "name", &self.name, &new.name);
        note(&mut data, "description", &self.description, &new.description);
        note(&mut data, "root_path", &self.root_path, &new.root_path);
        note(&mut data, "default_engine", &self.default_engine, &new.default_engine);
        let phase = |project: &Self| project.current_phase.map(Phase::wire);
        note(&mut data, "current_phase", &phase(self), &phase(&new));
        (new, data)
    }
}

repository! {
    /// Projects.
    pub trait ProjectRepository {
        /// Makes the project of this id at `now`, and how far its runs may go: 3 attempts of 300 s.
        ///
        /// A project that is there already stays as it is, and is given.
        transaction fn create_project(
            conn,
            project_id: i32,
            new: NewProject,
            now: NaiveDateTime,
        ) -> Project {
            let project = Project {
                id: project_id,
                name: new.name,
                description: new.description,
                db_path: new.db_path,
                root_path: new.root_path,
                current_phase: None,
                default_engine: new.default_engine,
                spec_artifact_id: None,
                selected_arch_option_id: None,
                created_at: now,
                updated_at: now,
                last_event: 0,
            };
            let data = data! { name: project.name.clone() };
            let made = diesel::insert_into(projects::table)
                .values(project)
                .on_conflict(projects::id)
                .do_nothing()
                .execute(conn)
                .await?;
            conn.control_or_new(project_id, now).await?;
            if made == 1 {
                conn.record(project_id, "project_created", None, data, now).await?;
            }
            let query = projects::table.find(project_id).select(Project::as_select());
            Ok(query.first(conn).await?)
        }

        /// One project.
        read(Rows::Few) fn project(conn, project_id: i32) -> Option<Project> {
            let query = projects::table.find(project_id).select(Project::as_select());
            Ok(query.first(conn).await.optional()?)
        }

        /// The projects of this database, by id.
        read(Rows::at_most(page.limit)) fn projects(conn, page: Page) -> Vec<Project> {
            let query = projects::table
                .filter(projects::id.gt(page.after.unwrap_or(i32::MIN)))
                .order(projects::id)
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(Project::as_select());
            Ok(query.load(conn).await?)
        }

        /// Changes a project at `now`. What is as it was changes nothing.
        transaction fn update_project(
            conn,
            project_id: i32,
            update: ProjectUpdate,
            now: NaiveDateTime,
        ) -> Result<Project, Refusal> {
            let old = granted!(conn.locked(project_id).await?);
            let (new, data) = old.updated(update);
            if data.is_empty() {
                return Ok(Ok(old));
            }
            conn.record(project_id, "project_updated", None, data, now).await?;
            let saved = diesel::update(projects::table.find(project_id))
                .set((
                    projects::name.eq(new.name),
                    projects::description.eq(new.description),
                    projects::root_path.eq(new.root_path),
                    projects::default_engine.eq(new.default_engine),
                    projects::current_phase.eq(new.current_phase),
                    projects::updated_at.eq(now),
                ))
                .returning(Project::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(Ok(saved))
        }

        /// Records that the project is about to be put aside.
        transaction fn record_project_deleted(
            conn,
            project_id: i32,
            now: NaiveDateTime,
        ) -> Result<(), Refusal> {
            granted!(conn.locked(project_id).await?);
            Ok(Ok(conn.record(project_id, "project_deleted", None, Data::new(), now).await?))
        }

        /// Records that the project is there again, or still.
        transaction fn record_project_restored(
            conn,
            project_id: i32,
            now: NaiveDateTime,
        ) -> Result<(), Refusal> {
            granted!(conn.locked(project_id).await?);
            Ok(Ok(conn.record(project_id, "project_restored", None, Data::new(), now).await?))
        }
    }
}
