//! How far to go, as people type it.

use underpin::{Catalog, Goal};

use crate::exit::Usage;

/// `head`, `+N`, or the version to stop after.
pub(crate) fn upgrade(text: &str, catalog: &Catalog) -> anyhow::Result<Goal> {
    if text == "head" || text == "heads" {
        return Ok(Goal::Head);
    }
    match text.strip_prefix('+').map(str::parse) {
        Some(Ok(count)) => Ok(Goal::Up(count)),
        Some(Err(_)) => Err(usage("head, +N or a version", text)),
        None if text.starts_with('-') => Err(usage("head, +N or a version", text)),
        None => Ok(Goal::UpTo(catalog.find(text)?.version.clone())),
    }
}

/// `-N`, `base`, or the version to go back to.
pub(crate) fn downgrade(text: &str, catalog: &Catalog) -> anyhow::Result<Goal> {
    if text == "base" {
        return Ok(Goal::Base);
    }
    match text.strip_prefix('-').map(str::parse) {
        Some(Ok(count)) => Ok(Goal::Down(count)),
        Some(Err(_)) => Err(usage("-N, base or a version", text)),
        None if text.starts_with('+') => Err(usage("-N, base or a version", text)),
        None => Ok(Goal::DownTo(catalog.find(text)?.version.clone())),
    }
}

fn usage(expected: &str, found: &str) -> anyhow::Error {
    Usage(format!("expected {expected}, found `{found}`")).into()
}
