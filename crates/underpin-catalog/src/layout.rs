//! Tells folders of other programs, and folders in which no migration is, before they pass for a set
//! that has nothing to do.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{CatalogError, read_file};

/// What to do with migrations of another program.
const CONVERT: &str = "write each as a folder `<version>_<name>` with `up.sql` and, for the way back, \
                       `down.sql`";
const EXPORT: &str = "let that program print its SQL, and write each as a folder `<version>_<name>` with \
                      `up.sql`";

/// Refuses `dir`, in which these folders are, unless one of them is a migration.
pub(crate) fn check(dir: &Path, folders: &BTreeSet<String>) -> Result<(), CatalogError> {
    if folders.iter().any(|name| dir.join(name).join("up.sql").is_file() && name.contains('_')) {
        return Ok(());
    }
    let path = dir.to_owned();
    let files = files(dir);
    if files.iter().any(|name| name == "up.sql") {
        let right = parent(dir);
        return Err(CatalogError::Level { path, right });
    }
    if let Some((tool, found, next)) = tool(dir, &files, folders) {
        return Err(CatalogError::Layout { path, tool, found, next });
    }
    let holds = |below: &PathBuf| {
        let folders = subfolders(below);
        folders.iter().any(|name| name.contains('_') && below.join(name).join("up.sql").is_file())
    };
    let below = folders.iter().map(|name| dir.join(name));
    if let Some(right) = below.into_iter().find(holds) {
        return Err(CatalogError::Level { path, right });
    }
    if folders.is_empty() { Err(CatalogError::Nothing { path }) } else { Ok(()) }
}

/// Refuses `dir` when a script lies beside the folders of the migrations: it would never run.
pub(crate) fn check_scripts(dir: &Path) -> Result<(), CatalogError> {
    match files(dir).into_iter().find(|name| is_script(name)) {
        Some(name) => Err(CatalogError::StrayScript { path: dir.join(name) }),
        None => Ok(()),
    }
}

pub(crate) fn is_script(name: &str) -> bool {
    ending(name).eq_ignore_ascii_case("sql")
}

/// The folder above, as a person would name it.
fn parent(dir: &Path) -> PathBuf {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && dir.file_name().is_some() => {
            parent.to_owned()
        }
        _ => dir.join(".."),
    }
}

/// Whether an entry is a folder, or a link to one.
pub(crate) fn is_folder(entry: &fs::DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    Ok(kind.is_dir() || kind.is_symlink() && entry.path().is_dir())
}

fn names(dir: &Path, folders: bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let wanted = |entry: &fs::DirEntry| is_folder(entry).unwrap_or(false) == folders;
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(wanted)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn files(dir: &Path) -> Vec<String> {
    names(dir, false)
}

fn subfolders(dir: &Path) -> Vec<String> {
    names(dir, true)
}

/// Files that tell a program by their whole name.
const BY_NAME: [(&str, &str); 8] = [
    ("atlas.sum", "Atlas"),
    ("migration_lock.toml", "Prisma"),
    ("alembic.ini", "Alembic"),
    ("env.py", "Alembic"),
    ("sqitch.plan", "Sqitch"),
    ("flyway.conf", "Flyway"),
    ("knexfile.js", "Knex"),
    ("_journal.json", "Drizzle"),
];

/// Programs whose migrations are written in their own language.
const BY_ENDING: [(&str, &str); 10] = [
    ("py", "Alembic or Django"),
    ("rb", "Rails"),
    ("js", "Knex or another JavaScript program"),
    ("ts", "Knex, TypeORM or another TypeScript program"),
    ("php", "Laravel, Doctrine or Phinx"),
    ("exs", "Ecto"),
    ("cs", "Entity Framework"),
    ("rs", "SeaORM or refinery"),
    ("go", "goose or another Go program"),
    ("xml", "Liquibase"),
];

/// How the lists of changes end that Liquibase reads.
const CHANGELOGS: [&str; 4] = ["xml", "yaml", "yml", "json"];

/// Marks that programs read in a script.
const BY_MARK: [(&str, &str); 4] = [
    ("-- +goose", "goose"),
    ("-- migrate:up", "dbmate"),
    ("-- +migrate", "sql-migrate"),
    ("--liquibase formatted", "Liquibase"),
];

/// The program that reads `dir`, the file that tells it, and what to do.
fn tool(
    dir: &Path,
    files: &[String],
    folders: &BTreeSet<String>,
) -> Option<(&'static str, String, &'static str)> {
    let named = |name: &String| BY_NAME.iter().find(|(file, _)| name == file);
    if let Some((file, tool)) = files.iter().find_map(named) {
        return Some((
            tool,
            (*file).to_owned(),
            if file.ends_with("py") || file.ends_with("ini") { EXPORT } else { CONVERT },
        ));
    }
    for folder in folders {
        let within = |file: &str| dir.join(folder).join(file).is_file();
        if within("migration.sql") {
            return Some(("Prisma or Drizzle", format!("{folder}/migration.sql"), CONVERT));
        }
        if folder == "meta" && within("_journal.json") {
            return Some(("Drizzle", "meta/_journal.json".to_owned(), CONVERT));
        }
        let code = subfiles(dir, folder).into_iter().find(|name| ending(name) == "py");
        if let Some(code) = code.filter(|_| folder == "versions") {
            return Some(("Alembic", format!("{folder}/{code}"), EXPORT));
        }
    }
    // Before the scripts, which such a list may name.
    if let Some(list) = files.iter().find(|name| is_changelog(dir, name)) {
        return Some(("Liquibase", list.clone(), EXPORT));
    }
    if let Some(script) = files.iter().find(|name| ending(name) == "sql") {
        return Some((script_tool(dir, script, files), script.clone(), CONVERT));
    }
    let by_ending = |name: &String| {
        let found = BY_ENDING.iter().find(|(end, _)| *end == ending(name));
        found.map(|(_, tool)| (*tool, name.clone(), EXPORT))
    };
    files.iter().filter(|name| is_numbered(name)).find_map(by_ending)
}

fn subfiles(dir: &Path, folder: &str) -> Vec<String> {
    files(&dir.join(folder))
}

fn ending(name: &str) -> &str {
    Path::new(name).extension().and_then(|end| end.to_str()).unwrap_or_default()
}

/// Whether a file has a number in its name, as migrations in code mostly have.
fn is_numbered(name: &str) -> bool {
    name.contains(|letter: char| letter.is_ascii_digit())
}

/// Whether it is Liquibase's, by its name or by what every such list begins with.
fn is_changelog(dir: &Path, name: &str) -> bool {
    let ending = ending(name).to_ascii_lowercase();
    CHANGELOGS.contains(&ending.as_str())
        && (name.to_lowercase().contains("changelog")
            || text(&dir.join(name)).contains("databasechangelog"))
}

/// The text of a file in small letters, empty where there is none.
fn text(path: &Path) -> String {
    let bytes = read_file(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).to_lowercase()
}

/// The program that reads a folder of scripts.
fn script_tool(dir: &Path, script: &str, files: &[String]) -> &'static str {
    let text = text(&dir.join(script));
    if let Some((_, tool)) = BY_MARK.iter().find(|(mark, _)| text.contains(mark)) {
        return tool;
    }
    if files.iter().any(|name| name.ends_with(".up.sql") || name.ends_with(".down.sql")) {
        return "sqlx or golang-migrate";
    }
    let flyway = |name: &String| {
        let rest = name.strip_prefix(['V', 'U', 'R', 'v']);
        rest.is_some_and(|rest| rest.contains("__"))
    };
    if files.iter().any(flyway) { "Flyway or refinery" } else { "a program that reads flat files" }
}
