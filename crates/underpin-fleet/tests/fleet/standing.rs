//! How the targets stand.

use std::fs;

use rstest::rstest;
use underpin_fleet::Fleet;
use underpin_testkit::Dialect;

use crate::{Home, fleet, tables};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn each_target_is_told_as_it_is(#[case] dialect: Dialect) {
    let home = Home::at_head(&tables(dialect, 2), 4);
    home.add("project_5");
    home.newer(2);
    home.batch(3, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");
    home.batch(4, "DROP TABLE underpin_history; CREATE TABLE underpin_history (id INTEGER)");
    let catalog = tables(dialect, 3);
    let before = home.bytes();

    for thorough in [false, true] {
        let status = Fleet { thorough, ..fleet(&catalog) }.status(&home.found()).unwrap();
        let words: Vec<_> = status.iter().map(|one| one.standing.word()).collect();
        assert_eq!(words, ["behind", "refused", "unknown", "broken", "behind"]);
        let versions: Vec<_> = status.iter().map(|one| one.version.as_deref()).collect();
        assert_eq!(versions, [Some("0002"), Some("9999"), None, None, None]);
        assert!(status[1].standing.reason().unwrap().contains("is applied but unknown"));
    }
    assert_eq!(home.bytes(), before);
}

/// A history that another tool changed, and not the schema, is seen when somebody asks for it, and by
/// the engine before anything runs.
#[test]
fn sqlite_a_history_that_changed_alone_is_seen_by_reading_it() {
    let home = Home::at_head(&tables(Dialect::Sqlite, 1), 1);
    home.batch(1, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    let catalog = tables(Dialect::Sqlite, 2);

    let word = |thorough| {
        let status = Fleet { thorough, ..fleet(&catalog) }.status(&home.found()).unwrap();
        status[0].standing.word()
    };

    assert_eq!((word(false), word(true)), ("behind", "refused"));
    let report = home.run(&fleet(&catalog), &crate::HEAD, &crate::whatever());
    assert!(crate::reason(&report, "1").contains("is applied but unknown"));
}

/// A file at head is not opened: what its header says is enough.
#[test]
fn sqlite_a_header_is_enough() {
    let catalog = tables(Dialect::Sqlite, 2);
    let home = Home::at_head(&catalog, 2);
    // The header stays, and nothing else of the file can be read.
    let mut bytes = fs::read(home.file("project_1")).unwrap();
    bytes[100..].fill(0x55);
    fs::write(home.file("project_1"), bytes).unwrap();

    let word = |thorough| {
        let status = Fleet { thorough, ..fleet(&catalog) }.status(&home.found()).unwrap();
        status.iter().map(|one| one.standing.word()).collect::<Vec<_>>()
    };

    assert_eq!(word(false), ["current", "current"]);
    assert_eq!(word(true), ["broken", "current"]);
}
