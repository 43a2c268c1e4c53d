//! `artifacts`.

use chrono::NaiveDateTime;
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Lock as _, data, found},
    page::{Page, older_than},
    refusal::{Kind, Refusal, granted},
    schema::artifacts,
    status::ArtifactType,
};
use crate::{prepared::Prepare as _, repository::repository};

/// A file that a project produced or was given.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = artifacts, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Artifact {
    /// Of the row.
    pub id: i32,
    /// The project; it takes its artifacts with it.
    pub project_id: i32,
    /// The task, while it exists.
    pub task_id: Option<i32>,
    /// The run that produced it; it takes the artifact with it.
    pub run_id: Option<i32>,
    /// What kind of file it is.
    pub artifact_type: ArtifactType,
    /// For people.
    pub name: String,
    /// Where the program put it.
    pub file_path: String,
    /// Where the content is kept.
    pub storage_path: Option<String>,
    /// Of the content, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Bytes.
    pub file_size: Option<i32>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
}

/// An artifact to be made, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact {
    /// A task of the project.
    pub task_id: Option<i32>,
    /// A run of the project.
    pub run_id: Option<i32>,
    /// What kind of file it is.
    pub artifact_type: ArtifactType,
    /// For people.
    pub name: String,
    /// Where the program put it.
    pub file_path: String,
    /// Of the content, in lower-case hexadecimal, where it is known already.
    pub sha256: Option<String>,
    /// JSON; never read here.
    pub extra_data: Option<String>,
}

/// Where the content of an artifact is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactStorage {
    /// The place.
    pub storage_path: String,
    /// Of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub file_size: i32,
}

/// Which artifacts to list; `None` lists any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArtifactFilter {
    /// Of this task.
    pub task_id: Option<i32>,
    /// Of this run.
    pub run_id: Option<i32>,
    /// Of this kind.
    pub artifact_type: Option<ArtifactType>,
}

repository! {
    /// Files that a project produced or was given.
    pub trait ArtifactRepository {
        /// Makes an artifact.
        transaction fn create_artifact(
            conn,
            project_id: i32,
            new: NewArtifact,
            now: NaiveDateTime,
        ) -> Result<Artifact, Refusal> {
            granted!(conn.locked(project_id).await?);
            if let Some(task) = new.task_id {
                granted!(conn.task_in(project_id, task).await?);
            }
            if let Some(run) = new.run_id {
                granted!(conn.run_in(project_id, run).await?);
            }
            let artifact: Artifact = diesel::insert_into(artifacts::table)
                .values((
                    artifacts::project_id.eq(project_id),
                    artifacts::task_id.eq(new.task_id),
                    artifacts::run_id.eq(new.run_id),
                    artifacts::artifact_type.eq(new.artifact_type),
                    artifacts::name.eq(new.name),
                    artifacts::file_path.eq(new.file_path),
                    artifacts::sha256.eq(new.sha256),
                    artifacts::extra_data.eq(new.extra_data),
                    artifacts::created_at.eq(now),
                ))
                .returning(Artifact::as_returning())
                .get_result(conn)
                .await?;
            let told = data! {
                artifact_id: artifact.id,
                artifact_type: artifact.artifact_type.wire(),
                name: artifact.name.clone(),
                run_id: artifact.run_id,
            };
            conn.record(project_id, "artifact_created", artifact.task_id, told, now).await?;
            Ok(Ok(artifact))
        }

        /// Notes where the content is kept.
        transaction fn set_artifact_storage(
            conn,
            project_id: i32,
            id: i32,
            storage: ArtifactStorage,
            now: NaiveDateTime,
        ) -> Result<Artifact, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(found(Kind::Artifact, id, conn.artifact(project_id, id).await?));
            let kept = (&old.storage_path, &old.sha256, old.file_size);
            let (path, sha256) = (Some(storage.storage_path), Some(storage.sha256));
            if kept == (&path, &sha256, Some(storage.file_size)) {
                return Ok(Ok(old));
            }
            let told = data! {
                artifact_id: id,
                storage_path: path.clone(),
                sha256: sha256.clone(),
                file_size: storage.file_size,
            };
            conn.record(project_id, "artifact_updated", old.task_id, told, now).await?;
            let saved = diesel::update(artifacts::table.find(id))
                .set((
                    artifacts::storage_path.eq(path),
                    artifacts::sha256.eq(sha256),
                    artifacts::file_size.eq(storage.file_size),
                ))
                .returning(Artifact::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(Ok(saved))
        }

        /// One artifact.
        read(Rows::Few) fn artifact(conn, project_id: i32, id: i32) -> Option<Artifact> {
            let query = artifacts::table
                .find(id)
                .filter(artifacts::project_id.eq(project_id))
                .select(Artifact::as_select());
            Ok(query.first(conn).await.optional()?)
        }

        /// One artifact, once all that began to change the project is done. It and its number stay as
        /// they are until the caller's transaction ends.
        transaction fn hold_artifact(conn, project_id: i32, id: i32) -> Option<Artifact> {
            // A project that is not there has no artifacts.
            let _project = conn.locked(project_id).await?;
            conn.artifact(project_id, id).await
        }

        /// Artifacts, newest first. Refused when the page is to begin after one that is not there.
        read(Rows::Many) fn artifacts(
            conn,
            project_id: i32,
            filter: ArtifactFilter,
            page: Page,
        ) -> Result<Vec<Artifact>, Refusal> {
            if let Some(after) = page.after {
                granted!(found(Kind::Artifact, after, conn.artifact(project_id, after).await?));
            }
            let any_task = filter.task_id.is_none().into_sql::<Bool>();
            let any_run = filter.run_id.is_none().into_sql::<Bool>();
            let any_type = filter.artifact_type.is_none().into_sql::<Bool>();
            let of_type =
                artifacts::artifact_type.nullable().eq(filter.artifact_type).assume_not_null();
            let query = artifacts::table
                .filter(artifacts::project_id.eq(project_id))
                .filter(any_task.or(artifacts::task_id.eq(filter.task_id).assume_not_null()))
                .filter(any_run.or(artifacts::run_id.eq(filter.run_id).assume_not_null()))
                .filter(any_type.or(of_type))
                .filter(older_than!(artifacts.created_at, page.after))
                .order((artifacts::created_at.desc(), artifacts::id.desc()))
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(Artifact::as_select());
            Ok(Ok(query.load(conn).await?))
        }

        /// Deletes an artifact, and gives it: its content is the caller's to delete.
        transaction fn delete_artifact(
            conn,
            project_id: i32,
            id: i32,
            now: NaiveDateTime,
        ) -> Result<Artifact, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(found(Kind::Artifact, id, conn.artifact(project_id, id).await?));
            diesel::delete(artifacts::table.find(id)).execute(conn).await?;
            let told = data! { artifact_id: id, name: old.name.clone() };
            conn.record(project_id, "artifact_deleted", old.task_id, told, now).await?;
            Ok(Ok(old))
        }
    }
}
