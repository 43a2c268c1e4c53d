//! Where the targets are, as people say it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use underpin::Dialect;
use underpin_fleet::{Names, Place, Source, Target};
use underpin_projects::ready_projects;

use crate::{context::Context, exit::Usage, shell};

pub(super) const HEADING: &str = "For every fleet command";

/// Where the service keeps the files of projects, unless somebody says.
const DATA_DIR: &str = "data";

#[derive(clap::Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct SourceArgs {
    /// SQLite files, in quotes: `'data/project_*.db'`; the number for the `*` is the target's id
    #[arg(long, global = true, value_name = "PATTERN")]
    sqlite: Option<String>,
    /// Schemas of the PostgreSQL database at `--database-url`: `'project_%'`
    #[arg(long, global = true, value_name = "PATTERN")]
    postgres_schemas: Option<String>,
    /// The ready projects of the service whose database is at `--database-url`
    #[arg(long, global = true)]
    from_registry: bool,
    /// A file with the URL of one database per line
    #[arg(long, global = true, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// Take any name that fits the pattern, and not only numbers
    #[arg(long, global = true)]
    any_name: bool,
    /// With `--from-registry` on SQLite: where the service keeps the files of projects
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "DATA_DIR",
        hide_env_values = true,
        default_value = DATA_DIR
    )]
    data_dir: PathBuf,
    /// What came of each run; default: `underpin-fleet.journal` beside the files of `--sqlite`, else
    /// in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    journal: Option<PathBuf>,
}

impl SourceArgs {
    /// The one source that was given.
    pub(super) fn source(&self, context: &Context) -> anyhow::Result<Source> {
        const WAYS: &str = "`--sqlite 'data/project_*.db'`, `--postgres-schemas 'project_%'`, \
                            `--from-registry` or `--targets FILE`";
        let given = self.given();
        match given.as_slice() {
            [] => return Err(Usage(format!("no databases given: use {WAYS}")).into()),
            [_] => {}
            [one, other, ..] => {
                let found = format!("expected one of {WAYS}, found `{one}` and `{other}`");
                return Err(Usage(found).into());
            }
        }
        let names = if self.any_name { Names::Any } else { Names::Numbers };
        if let Some(pattern) = &self.sqlite {
            return Ok(Source::Files { pattern: pattern.clone(), names });
        }
        if let Some(pattern) = &self.postgres_schemas {
            let url = context.url()?;
            if url.dialect() != Dialect::Postgres {
                let message = format!("`--postgres-schemas` needs PostgreSQL, found `{url}`");
                return Err(Usage(message).into());
            }
            return Ok(Source::Schemas { url, pattern: pattern.clone(), names });
        }
        match &self.targets {
            Some(file) => Ok(Source::List(file.clone())),
            None => self.registry(context),
        }
    }

    fn given(&self) -> Vec<&'static str> {
        let all = [
            (self.sqlite.is_some(), "--sqlite"),
            (self.postgres_schemas.is_some(), "--postgres-schemas"),
            (self.from_registry, "--from-registry"),
            (self.targets.is_some(), "--targets"),
        ];
        all.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag).collect()
    }

    fn registry(&self, context: &Context) -> anyhow::Result<Source> {
        let url = context.url()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ready = runtime.block_on(ready_projects(&url, &self.data_dir))?;
        let description = format!("the registry in {url}");
        let database = Arc::new(url);
        let target = |project: underpin_projects::ReadyProject| {
            let place = match project.url.sqlite_path() {
                Some(path) => Place::File(path.to_owned()),
                None => Place::Schema { database: Arc::clone(&database), schema: project.target },
            };
            Target { id: project.id.to_string(), place }
        };
        Ok(Source::Known { description, targets: ready.into_iter().map(target).collect() })
    }

    /// Where the journal is, which does not ask whether there is one.
    pub(super) fn journal(&self) -> PathBuf {
        let names = Names::Any;
        match (&self.journal, &self.sqlite) {
            (Some(path), _) => path.clone(),
            (None, Some(pattern)) => Source::Files { pattern: pattern.clone(), names }.journal(),
            (None, None) => Source::List(PathBuf::new()).journal(),
        }
    }

    /// [`SourceArgs::journal`], which must be there.
    pub(super) fn old_journal(&self) -> anyhow::Result<PathBuf> {
        let path = self.journal();
        if path.exists() {
            return Ok(path);
        }
        let message = format!(
            "no journal `{}`: name it with `--journal FILE`, or with the pattern of the run; the \
             first run makes it",
            path.display()
        );
        Err(Usage(message).into())
    }

    /// The flags once more.
    pub(super) fn again(&self, context: &Context) -> Vec<String> {
        let mut words = Vec::new();
        let mut word = |flag: &str, value: &str| {
            words.push(format!("{flag} {}", shell::quoted(value)));
        };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        if let Some(pattern) = &self.sqlite {
            word("--sqlite", pattern);
        }
        if let Some(pattern) = &self.postgres_schemas {
            word("--postgres-schemas", pattern);
        }
        if let Some(file) = &self.targets {
            word("--targets", &text(file));
        }
        if let Some(file) = &self.journal {
            word("--journal", &text(file));
        }
        if self.from_registry && self.data_dir != Path::new(DATA_DIR) {
            word("--data-dir", &text(&self.data_dir));
        }
        let flags = [(self.from_registry, "--from-registry"), (self.any_name, "--any-name")];
        let flags = flags.into_iter().filter(|(given, _)| *given);
        words.extend(flags.map(|(_, flag)| flag.to_owned()));
        let asks_server = self.from_registry || self.postgres_schemas.is_some();
        words.extend(context.url_again().filter(|_| asks_server));
        words
    }
}
