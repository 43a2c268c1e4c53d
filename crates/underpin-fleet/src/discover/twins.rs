//! One file under two names: whoever counted and migrated it twice would tell of more databases than there
//! are.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
};

use underpin_db::FileId;

use super::{Found, Skipped};
use crate::{Place, Target};

impl Found {
    /// Leaves out every further name of a file. The one that no link is part of stays, so that a link which
    /// somebody adds makes no other target of what was one.
    pub(super) fn once_each(self) -> Self {
        let Self { source, targets, mut skipped } = self;
        let files: Vec<_> = targets.iter().map(file).collect();
        let mut kept = HashMap::new();
        for (index, id) in files.iter().enumerate() {
            let Some(id) = id else { continue };
            match kept.entry(*id) {
                Entry::Vacant(free) => drop(free.insert(index)),
                Entry::Occupied(mut held) => {
                    if !is_straight(&targets[*held.get()]) && is_straight(&targets[index]) {
                        held.insert(index);
                    }
                }
            }
        }
        let mut once = Vec::with_capacity(targets.len());
        for (index, (target, id)) in targets.iter().zip(files).enumerate() {
            match id.and_then(|id| kept.get(&id)) {
                Some(&first) if first != index => skipped.push(Skipped {
                    name: target.place.to_string(),
                    reason: format!("leads to the file of `{}`", targets[first].place),
                }),
                _ => once.push(target.clone()),
            }
        }
        Self { source, targets: once, skipped }
    }
}

/// Which file a target is. What is not there fails by itself when its turn comes.
fn file(target: &Target) -> Option<FileId> {
    match &target.place {
        Place::File(path) => fs::metadata(path).ok().map(|found| FileId::of(&found)),
        Place::Schema { .. } | Place::Database(_) => None,
    }
}

/// Whether no link is part of its path.
fn is_straight(target: &Target) -> bool {
    match &target.place {
        Place::File(path) => fs::canonicalize(path).is_ok_and(|straight| straight == *path),
        Place::Schema { .. } | Place::Database(_) => true,
    }
}
