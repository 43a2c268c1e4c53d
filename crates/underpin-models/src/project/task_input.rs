//! What callers say about tasks.

use super::{
    changes::{Data, data, note},
    status::{Phase, TaskStatus},
    tasks::Task,
};

/// What people read of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskText {
    /// In a line.
    pub title: String,
    /// In full.
    pub description: Option<String>,
}

/// A task to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What people read.
    pub text: TaskText,
    /// Higher comes first.
    pub priority: i32,
    /// What runs it, when not the project's engine.
    pub engine_override: Option<String>,
    /// The ids of tasks that come first; one named twice counts once.
    pub dependencies: Vec<i32>,
}

/// What is to change in a task: `None` leaves a value, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskUpdate {
    /// Another title: a new version.
    pub title: Option<String>,
    /// Another description: a new version.
    pub description: Option<Option<String>>,
    /// Whether a title or a description is a new version also where it is what it was.
    pub same_is_new: bool,
    /// Another status, as its table allows.
    pub status: Option<TaskStatus>,
    /// The next phase.
    pub phase: Option<Phase>,
    /// Another priority.
    pub priority: Option<i32>,
    /// Another engine.
    pub engine_override: Option<Option<String>>,
    /// The version that the caller has read; another one refuses the update.
    pub expected_version: Option<i32>,
}

/// Which tasks to list; `None` lists any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Of this status.
    pub status: Option<TaskStatus>,
    /// In this phase.
    pub phase: Option<Phase>,
}

impl TaskUpdate {
    /// Whether it makes a new version even of a text that stays what it was.
    pub(super) fn rewrites(&self) -> bool {
        self.same_is_new && (self.title.is_some() || self.description.is_some())
    }
}

impl Task {
    /// With `update`, but for the status, and what of it is new.
    pub(super) fn updated(&self, update: TaskUpdate) -> (Self, Data) {
        let mut new = self.clone();
        new.title = update.title.unwrap_or(new.title);
        new.description = update.description.unwrap_or(new.description);
        new.current_phase = update.phase.or(new.current_phase);
        new.priority = update.priority.unwrap_or(new.priority);
        new.engine_override = update.engine_override.unwrap_or(new.engine_override);
        let mut data = Data::new();
        note(&mut data, "title", &self.title, &new.title);
        note(&mut data, "description", &self.description, &new.description);
        let phase = |task: &Self| task.current_phase.map(Phase::wire);
        note(&mut data, "current_phase", &phase(self), &phase(&new));
        note(&mut data, "priority", &self.priority, &new.priority);
        note(&mut data, "engine_override", &self.engine_override, &new.engine_override);
        (new, data)
    }

    /// Whether `other` reads differently.
    pub(super) fn reads_differently(&self, other: &Self) -> bool {
        (&self.title, &self.description) != (&other.title, &other.description)
    }

    /// Adds to the JSON object in `extra_data`. What an older program left there and is no object
    /// is kept in it as `previous`.
    pub(super) fn add_extra_data(&mut self, more: Data) {
        let parsed = self.extra_data.as_deref().map(|text| (text, serde_json::from_str(text)));
        let mut object = match parsed {
            None => Data::new(),
            Some((_, Ok(serde_json::Value::Object(object)))) => object,
            Some((text, _)) => data! { previous: text },
        };
        object.extend(more);
        self.extra_data = Some(serde_json::Value::from(object).to_string());
    }
}
