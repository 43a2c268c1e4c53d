//! What a run is to do to one target.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use underpin::{Direction, Error, Goal, Standing, Version};

use crate::{Fleet, Target, error::explain};

/// What is done to every target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Goes where the goal says. A schema without a history is recognised first, when it goes up.
    Migrate(Goal),
    /// Recognises schemas without a history, proves what they are and stamps that.
    Adopt,
}

impl fmt::Display for Action {
    /// As people type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adopt => f.write_str("adopt"),
            Self::Migrate(goal) => match goal {
                Goal::Head => f.write_str("upgrade head"),
                Goal::Up(count) => write!(f, "upgrade +{count}"),
                Goal::UpTo(version) | Goal::Only(version) => write!(f, "upgrade {version}"),
                Goal::Down(count) => write!(f, "downgrade -{count}"),
                Goal::DownTo(version) => write!(f, "downgrade {version}"),
                Goal::Base => f.write_str("downgrade base"),
            },
        }
    }
}

/// What a run is to do to one target.
#[derive(Clone)]
pub(crate) enum Outlook {
    /// It is there already.
    Nothing { version: Option<Version> },
    /// It has to be worked on.
    Work { before: Option<Version>, goal: TargetGoal },
    /// It cannot be worked on.
    Refused { before: Option<Version>, message: String },
}

/// Where one target goes, in absolute terms: a run that is gone on with takes no second step where it
/// took one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetGoal {
    UpTo(Version),
    DownTo(Version),
    Base,
    Adopt,
}

impl TargetGoal {
    /// For the engine; `None` adopts.
    pub(crate) fn goal(&self) -> Option<Goal> {
        match self {
            Self::UpTo(version) => Some(Goal::UpTo(version.clone())),
            Self::DownTo(version) => Some(Goal::DownTo(version.clone())),
            Self::Base => Some(Goal::Base),
            Self::Adopt => None,
        }
    }

    /// Reads what the journal says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None if text == "base" => Some(Self::Base),
            None if text == "adopt" => Some(Self::Adopt),
            Some(("up", version)) => version.parse().ok().map(Self::UpTo),
            Some(("down", version)) => version.parse().ok().map(Self::DownTo),
            _ => None,
        }
    }
}

impl fmt::Display for TargetGoal {
    /// As the journal says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpTo(version) => write!(f, "up {version}"),
            Self::DownTo(version) => write!(f, "down {version}"),
            Self::Base => f.write_str("base"),
            Self::Adopt => f.write_str("adopt"),
        }
    }
}

/// Judges targets by how they stand; most of a fleet stand alike, and planning takes longer than
/// comparing.
pub(crate) struct Judge<'f> {
    fleet: &'f Fleet<'f>,
    action: &'f Action,
    /// Where single targets go, by their places, when not where the action says.
    goals: HashMap<String, TargetGoal>,
    judged: Mutex<Vec<(Standing, Outlook)>>,
}

/// How many ways of standing are remembered.
const REMEMBERED: usize = 32;

impl<'f> Judge<'f> {
    pub(crate) fn new(
        fleet: &'f Fleet<'f>,
        action: &'f Action,
        goals: HashMap<String, TargetGoal>,
    ) -> Self {
        Self { fleet, action, goals, judged: Mutex::default() }
    }

    /// What is to be done to a target that stands so.
    pub(crate) fn outlook(&self, target: &Target, standing: Result<Standing, Error>) -> Outlook {
        let standing = match standing {
            Ok(standing) => standing,
            Err(error) => return refused(None, &error),
        };
        if let Some(goal) = self.goals.get(&target.place.to_string()) {
            let action = goal.goal().map_or(Action::Adopt, Action::Migrate);
            return self.fleet.outlook(target, &standing, &action);
        }
        let judged = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, outlook)) = judged().iter().find(|(known, _)| *known == standing) {
            return outlook.clone();
        }
        let outlook = self.fleet.outlook(target, &standing, self.action);
        let mut judged = judged();
        if judged.len() < REMEMBERED {
            judged.push((standing, outlook.clone()));
        }
        outlook
    }
}

fn refused(before: Option<Version>, error: &Error) -> Outlook {
    Outlook::Refused { before, message: explain(error) }
}

impl Fleet<'_> {
    fn outlook(&self, target: &Target, standing: &Standing, action: &Action) -> Outlook {
        let before = standing.history.head().cloned();
        match action {
            Action::Adopt if standing.is_unknown() => {
                Outlook::Work { before, goal: TargetGoal::Adopt }
            }
            Action::Adopt => Outlook::Nothing { version: before },
            Action::Migrate(goal) if standing.is_unknown() => self.unknown(goal),
            Action::Migrate(goal) => {
                let url = target.url();
                let report = self.engine(&url).and_then(|engine| engine.dry_run_of(standing, goal));
                match (report, goal.direction()) {
                    (Err(error), _) => refused(before, &error),
                    (Ok(report), _) if report.steps.is_empty() => {
                        Outlook::Nothing { version: before }
                    }
                    (Ok(report), direction) => {
                        let goal = match (report.head, direction) {
                            (Some(version), Direction::Up) => TargetGoal::UpTo(version),
                            (Some(version), Direction::Down) => TargetGoal::DownTo(version),
                            (None, _) => TargetGoal::Base,
                        };
                        Outlook::Work { before, goal }
                    }
                }
            }
        }
    }

    /// A schema without a history can go to a version, and nowhere else: how far it is shows only when
    /// it has been recognised.
    fn unknown(&self, goal: &Goal) -> Outlook {
        let version = match goal {
            Goal::Head => self.catalog.head().map(|head| head.version.clone()),
            Goal::UpTo(version) => Some(version.clone()),
            _ => None,
        };
        match version {
            Some(version) => Outlook::Work { before: None, goal: TargetGoal::UpTo(version) },
            None => Outlook::Refused {
                before: None,
                message: "it has tables and no history: record what it is with `underpin fleet \
                          adopt` first"
                    .to_owned(),
            },
        }
    }
}
