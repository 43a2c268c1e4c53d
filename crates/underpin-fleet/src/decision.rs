//! What is to be done to one target: the one place that decides, for `status`, `plan`, every dry run,
//! the run itself, and whoever goes on with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use underpin::{Catalog, Direction, Error, Goal, Report, Standing, Version};

use crate::{Fleet, Target, error::explain};

/// What is done to every target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Goes where the goal says. A schema without a history is recognised first, when it goes up.
    Migrate(Goal),
    /// Recognises schemas without a history, proves what they are and stamps that.
    Adopt,
}

impl Action {
    /// Reads what [`Action`] prints.
    pub(crate) fn parse(text: &str, catalog: &Catalog) -> Option<Self> {
        let version = |text: &str| {
            let version: Version = text.parse().ok()?;
            catalog.get(&version).map(|one| one.version.clone())
        };
        let goal = match text.split_once(' ') {
            None if text == "adopt" => return Some(Self::Adopt),
            Some(("upgrade", "head")) => Goal::Head,
            Some(("downgrade", "base")) => Goal::Base,
            Some(("upgrade", to)) => match (to.strip_prefix('+'), to.strip_prefix("only ")) {
                (Some(count), _) => Goal::Up(count.parse().ok()?),
                (None, Some(only)) => Goal::Only(version(only)?),
                (None, None) => Goal::UpTo(version(to)?),
            },
            Some(("downgrade", to)) => match to.strip_prefix('-') {
                Some(count) => Goal::Down(count.parse().ok()?),
                None => Goal::DownTo(version(to)?),
            },
            _ => return None,
        };
        Some(Self::Migrate(goal))
    }
}

impl fmt::Display for Action {
    /// As people type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adopt => f.write_str("adopt"),
            Self::Migrate(goal) => match goal {
                Goal::Head => f.write_str("upgrade head"),
                Goal::Up(count) => write!(f, "upgrade +{count}"),
                Goal::UpTo(version) => write!(f, "upgrade {version}"),
                Goal::Only(version) => write!(f, "upgrade only {version}"),
                Goal::Down(count) => write!(f, "downgrade -{count}"),
                Goal::DownTo(version) => write!(f, "downgrade {version}"),
                Goal::Base => f.write_str("downgrade base"),
            },
        }
    }
}

/// What is to be done to one target.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// It is there already.
    Nothing { version: Option<Version> },
    /// It has to be worked on; so many migrations, as far as that is known.
    Work { before: Option<Version>, goal: TargetGoal, steps: usize },
    /// It cannot be worked on.
    Refused { before: Option<Version>, reason: String },
}

/// Where one target goes, in absolute terms: a run that is gone on with takes no second step where it
/// took one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetGoal {
    UpTo(Version),
    Only(Version),
    DownTo(Version),
    Base,
    Adopt,
}

impl TargetGoal {
    /// For the engine; `None` adopts.
    pub(crate) fn goal(&self) -> Option<Goal> {
        match self {
            Self::UpTo(version) => Some(Goal::UpTo(version.clone())),
            Self::Only(version) => Some(Goal::Only(version.clone())),
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
            Some(("only", version)) => version.parse().ok().map(Self::Only),
            Some(("down", version)) => version.parse().ok().map(Self::DownTo),
            _ => None,
        }
    }

    /// Where a plan of `steps` leads that begins at `standing`.
    fn of(goal: &Goal, standing: &Standing, report: &Report, catalog: &Catalog) -> Option<Self> {
        // What is applied beside the catalog, or out of order, is newer than the last step and says
        // nothing of how far the steps went.
        let last = &report.steps.last()?.version;
        let left = |version: &&Version| *version < last && catalog.get(version).is_some();
        Some(match (goal, goal.direction()) {
            (Goal::Only(_), _) => Self::Only(last.clone()),
            (_, Direction::Up) => Self::UpTo(last.clone()),
            (_, Direction::Down) => match standing.history.applied.keys().rfind(left) {
                Some(version) => Self::DownTo(version.clone()),
                None => Self::Base,
            },
        })
    }
}

impl fmt::Display for TargetGoal {
    /// As the journal says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpTo(version) => write!(f, "up {version}"),
            Self::Only(version) => write!(f, "only {version}"),
            Self::DownTo(version) => write!(f, "down {version}"),
            Self::Base => f.write_str("base"),
            Self::Adopt => f.write_str("adopt"),
        }
    }
}

/// Decides over targets by how they stand; most of a fleet stand alike, and planning takes longer than
/// comparing.
pub(crate) struct Judge<'f> {
    fleet: &'f Fleet<'f>,
    action: &'f Action,
    /// Where single targets go, by their keys, when not where the action says.
    goals: HashMap<String, TargetGoal>,
    known: Mutex<Vec<(Standing, Decision)>>,
}

/// How many ways of standing are remembered.
const REMEMBERED: usize = 32;

impl<'f> Judge<'f> {
    pub(crate) fn new(
        fleet: &'f Fleet<'f>,
        action: &'f Action,
        goals: HashMap<String, TargetGoal>,
    ) -> Self {
        Self { fleet, action, goals, known: Mutex::default() }
    }

    /// What is to be done to a target that stands so.
    pub(crate) fn decide(&self, target: &Target, standing: Result<&Standing, &Error>) -> Decision {
        let standing = match standing {
            Ok(standing) => standing,
            Err(error) => return refused(None, error),
        };
        if let Some(goal) = self.goals.get(&target.key()) {
            let action = goal.goal().map_or(Action::Adopt, Action::Migrate);
            return self.fleet.decide(target, standing, &action);
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, decision)) = known().iter().find(|(one, _)| one == standing) {
            return decision.clone();
        }
        let decision = self.fleet.decide(target, standing, self.action);
        let mut known = known();
        if known.len() < REMEMBERED {
            known.push((standing.clone(), decision.clone()));
        }
        decision
    }
}

fn refused(before: Option<Version>, error: &Error) -> Decision {
    Decision::Refused { before, reason: explain(error) }
}

impl Fleet<'_> {
    fn decide(&self, target: &Target, standing: &Standing, action: &Action) -> Decision {
        let before = standing.history.head().cloned();
        let goal = match action {
            Action::Adopt if standing.is_unknown() => {
                return Decision::Work { before, goal: TargetGoal::Adopt, steps: 0 };
            }
            Action::Adopt => return Decision::Nothing { version: before },
            Action::Migrate(goal) if standing.is_unknown() => return self.unknown(goal),
            Action::Migrate(goal) => goal,
        };
        let url = target.url();
        let report = self.engine(&url).and_then(|engine| engine.dry_run_of(standing, goal));
        let report = match report {
            Ok(report) => report,
            Err(error) => return refused(before, &error),
        };
        match TargetGoal::of(goal, standing, &report, self.catalog) {
            Some(goal) => Decision::Work { before, goal, steps: report.steps.len() },
            None => Decision::Nothing { version: before },
        }
    }

    /// A schema without a history can go to a version, and nowhere else: how far it is shows only when
    /// it has been recognised.
    fn unknown(&self, goal: &Goal) -> Decision {
        let version = match goal {
            Goal::Head => self.catalog.head().map(|head| head.version.clone()),
            Goal::UpTo(version) => Some(version.clone()),
            _ => None,
        };
        match version {
            Some(version) => {
                Decision::Work { before: None, goal: TargetGoal::UpTo(version), steps: 0 }
            }
            None => Decision::Refused {
                before: None,
                reason: "it has tables and no history: record what it is with `underpin fleet \
                         adopt` first"
                    .to_owned(),
            },
        }
    }
}
