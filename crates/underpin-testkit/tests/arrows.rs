//! The arrows of `docs/ARCHITECTURE.md`: who may import whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may use of the workspace, outside tests.
const ARROWS: [(&str, &[&str]); 11] = [
    ("underpin-catalog", &[]),
    ("underpin-db", &["underpin-catalog"]),
    ("underpin", &["underpin-catalog", "underpin-db"]),
    ("underpin-models", &["underpin-db"]),
    ("underpin-migrations", &["underpin-catalog", "underpin-db"]),
    (
        "underpin-projects",
        &["underpin", "underpin-db", "underpin-fleet", "underpin-migrations", "underpin-models"],
    ),
    (
        "underpin-service",
        &["underpin", "underpin-db", "underpin-migrations", "underpin-models", "underpin-projects"],
    ),
    ("underpin-fleet", &["underpin", "underpin-db"]),
    (
        "underpin-cli",
        &["underpin", "underpin-db", "underpin-fleet", "underpin-migrations", "underpin-projects"],
    ),
    ("underpin-testkit", &["underpin-db"]),
    (
        "underpin-bench",
        &[
            "underpin",
            "underpin-db",
            "underpin-fleet",
            "underpin-migrations",
            "underpin-models",
            "underpin-projects",
            "underpin-testkit",
        ],
    ),
];

#[test]
fn no_crate_imports_what_it_may_not() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let names: BTreeSet<_> = metadata.packages.iter().map(|one| one.name.to_string()).collect();

    for package in &metadata.packages {
        let allowed = allowed.get(package.name.as_str()).expect("a crate without arrows: add it");
        for dependency in &package.dependencies {
            let inside = names.contains(&dependency.name);
            if inside && dependency.kind != DependencyKind::Development {
                let name = dependency.name.as_str();
                assert!(allowed.contains(&name), "{} must not import {name}", package.name);
            }
        }
    }
}
