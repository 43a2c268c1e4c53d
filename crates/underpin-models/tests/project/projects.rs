//! Projects, and how far their runs may go.

use rstest::rstest;
use serde_json::json;
use underpin_db::Dialect;
use underpin_models::project::{
    ControlRepository as _, Kind, Limits, NewProject, Page, Phase, ProjectRepository as _,
    ProjectUpdate, Refusal,
};

use crate::{P, Rig, at, create_project, events, newest, no, on_head, some, told};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_is_made_once(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let made = db.project(P).await.unwrap().unwrap();
        let other = NewProject {
            name: "other".to_owned(),
            description: some("other"),
            root_path: None,
            default_engine: None,
            db_path: String::new(),
        };

        assert_eq!(db.create_project(P, other, at(9)).await.unwrap(), made);

        assert_eq!(made.name, "project 1");
        assert_eq!(made.default_engine, some("copilot_cli"));
        assert_eq!((made.created_at, made.updated_at, made.last_event), (at(0), at(0), 1));
        let control = db.control(P).await.unwrap().unwrap();
        assert_eq!((control.max_attempts, control.timeout_seconds), (3, 300));
        assert!(!control.paused);
        assert_eq!(told(db, 0).await, ["project_created"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_update_sets_clears_and_leaves(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let update = ProjectUpdate {
            name: some("renamed"),
            description: Some(some("new")),
            root_path: Some(None),
            default_engine: Some(some("copilot_cli")),
            current_phase: Some(Some(Phase::Architect)),
        };

        let updated = db.update_project(P, update.clone(), at(5)).await.unwrap().unwrap();
        let again = db.update_project(P, update, at(6)).await.unwrap().unwrap();

        assert_eq!(updated.name, "renamed");
        assert_eq!(updated.description, some("new"));
        assert_eq!(updated.root_path, None);
        assert_eq!(updated.current_phase, Some(Phase::Architect));
        assert_eq!((updated.created_at, updated.updated_at), (at(0), at(5)));
        assert_eq!(updated, again);
        assert_eq!(db.project(P).await.unwrap(), Some(updated));
        let changed = json!({
            "name": "renamed", "description": "new", "root_path": null, "current_phase": "architect",
        });
        let changed = changed.as_object().unwrap().clone();
        assert_eq!(events(db, 1).await, [("project_updated".to_owned(), None, changed)]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn projects_are_listed_by_id(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        for id in [9, 4] {
            create_project(db, id).await;
        }
        let ids = async |limit, after, skip| {
            let page = db.projects(Page { limit, after, skip }).await.unwrap();
            page.into_iter().map(|project| project.id).collect::<Vec<_>>()
        };

        assert_eq!(ids(100, None, 0).await, [1, 4, 9]);
        assert_eq!(ids(1, Some(1), 0).await, [4]);
        assert_eq!(ids(100, None, 1).await, [4, 9]);
        assert!(ids(-1, None, -1).await.is_empty());
        assert_eq!(db.project(2).await.unwrap(), None);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn pausing_twice_tells_once(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        assert!(!db.resume(P, at(1)).await.unwrap().unwrap().paused);
        let paused = db.pause(P, at(2)).await.unwrap().unwrap();
        assert_eq!(db.pause(P, at(3)).await.unwrap().unwrap(), paused);
        assert_eq!((paused.paused, paused.updated_at), (true, at(2)));
        assert_eq!(db.control(P).await.unwrap(), Some(paused));
        assert!(!db.resume(P, at(4)).await.unwrap().unwrap().paused);

        assert_eq!(told(db, 1).await, ["execution_paused", "execution_resumed"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn limits_are_at_least_one(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let attempts = |max_attempts| Limits { max_attempts, timeout_seconds: None };
        let timeout = |timeout_seconds| Limits { max_attempts: None, timeout_seconds };

        let limit = db.set_limits(P, attempts(Some(0)), at(1)).await.unwrap().unwrap_err();
        assert_eq!(limit, Refusal::Limit { limit: "max_attempts", found: 0 });
        let limit = db.set_limits(P, timeout(Some(-1)), at(1)).await.unwrap().unwrap_err();
        assert_eq!(limit.to_string(), "`timeout_seconds` is -1, expected at least 1");
        db.set_limits(P, Limits::default(), at(1)).await.unwrap().unwrap();
        db.set_limits(P, attempts(Some(3)), at(1)).await.unwrap().unwrap();
        assert_eq!(newest(db).await, 1);

        let limits = Limits { max_attempts: Some(1), timeout_seconds: Some(2) };
        let set = db.set_limits(P, limits, at(2)).await.unwrap().unwrap();
        assert_eq!((set.max_attempts, set.timeout_seconds, set.updated_at), (1, 2, at(2)));
        assert_eq!(db.control(P).await.unwrap(), Some(set));
        assert_eq!(told(db, 1).await, ["project_updated"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_older_project_gets_its_limits_when_they_change(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        on.batch("DELETE FROM control_state");
        assert_eq!(db.control(P).await.unwrap(), None);

        let limits = Limits { max_attempts: Some(7), timeout_seconds: None };
        db.set_limits(P, limits, at(1)).await.unwrap().unwrap();

        let control = db.control(P).await.unwrap().unwrap();
        assert_eq!(
            (control.max_attempts, control.timeout_seconds, control.paused),
            (7, 300, false)
        );
        on.batch("DELETE FROM control_state");
        assert!(db.pause(P, at(2)).await.unwrap().unwrap().paused);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_unknown_project_is_refused(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let unknown = no(Kind::Project, 2);

        assert_eq!(unknown.to_string(), "Project 2 not found");
        let update = ProjectUpdate::default();
        assert_eq!(db.update_project(2, update, at(1)).await.unwrap().unwrap_err(), unknown);
        assert_eq!(db.pause(2, at(1)).await.unwrap().unwrap_err(), unknown);
        assert_eq!(db.resume(2, at(1)).await.unwrap().unwrap_err(), unknown);
        let limits = Limits::default();
        assert_eq!(db.set_limits(2, limits, at(1)).await.unwrap().unwrap_err(), unknown);
        assert_eq!(db.control(2).await.unwrap(), None);
    });
}
