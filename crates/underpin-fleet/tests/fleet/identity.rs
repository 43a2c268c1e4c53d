//! A plan is gone on with where it was made for, and nowhere else.

use std::{borrow::Cow, fs, os::unix::fs::symlink};

use rstest::rstest;
use underpin::{Catalog, Goal};
use underpin_fleet::{
    Action, Fleet, FleetError, Found, Journal, Limit, Report, RunOptions, Source, Stop,
};
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::{
    HEAD, Home, StopAfter, catalog, fleet, migration, reason, states, table, tables, whatever,
};

/// What is another one than it was when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Schemas, or files of the same names elsewhere.
    Database,
    /// PostgreSQL: the same database by another way, which nobody can tell from a copy of the server.
    Address,
    /// One target was dropped and made again, or its file put in its place.
    Target,
    /// SQLite: the directory was moved.
    Moved,
    /// SQLite: a link leads to another directory.
    Link,
    /// One target is not among those that are found.
    Fewer,
    UpScript,
    DownScript,
    Metadata,
    /// A migration between the others.
    Inserted,
    Removed,
    Set,
    /// The journal is of a program that noted nothing.
    Unnoted,
}

const ALL: [Change; 13] = [
    Change::Database,
    Change::Address,
    Change::Target,
    Change::Moved,
    Change::Link,
    Change::Fewer,
    Change::UpScript,
    Change::DownScript,
    Change::Metadata,
    Change::Inserted,
    Change::Removed,
    Change::Set,
    Change::Unnoted,
];

impl Change {
    fn is_of(self, dialect: Dialect) -> bool {
        match self {
            Self::Moved | Self::Link => dialect == Dialect::Sqlite,
            Self::Address => dialect == Dialect::Postgres,
            _ => true,
        }
    }

    /// A part of what is said.
    fn told(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Database | Self::Address | Self::Moved | Self::Fewer, _) => "is not among",
            (Self::Target | Self::Link, Dialect::Sqlite) => "when it was the file",
            (Self::Target | Self::Link, Dialect::Postgres) => "when it was schema",
            (Self::Set, _) => "is one of set `test`, not of `other`",
            (Self::Unnoted, _) => "was written by an older program",
            _ => "was made for other migrations of set `test`: up to 0003",
        }
    }

    /// The migrations as they are now.
    fn catalog(self, dialect: Dialect) -> Catalog {
        let mut all = vec![table(1), table(2), table(3)];
        match self {
            Self::UpScript => all[2] = migration(3, "CREATE TABLE t3 (id TEXT)", "DROP TABLE t3"),
            Self::DownScript => {
                all[2].down = underpin_catalog::Down::Text(Cow::Borrowed("DROP TABLE t3;  "));
            }
            Self::Metadata => all[1].metadata.run_in_transaction = false,
            Self::Inserted => all[2].version = "0004".parse().unwrap(),
            Self::Removed => drop(all.pop()),
            Self::Set => return Catalog::new("other", dialect, all).unwrap(),
            _ => {}
        }
        catalog(dialect, all)
    }
}

/// Three targets, and a run over them that was stopped after the first (`resume`), or failed at the
/// second (`retry-failed`).
fn interrupted(dialect: Dialect, up: bool, retried: bool) -> Home {
    let (now, then) = if up { (1, 3) } else { (3, 1) };
    let mut home = Home::new(dialect, 0);
    if dialect == Dialect::Sqlite {
        // A link leads to the files.
        fs::create_dir(home.db.dir().join("real")).unwrap();
        symlink("real", home.db.dir().join("files")).unwrap();
        home.elsewhere = Some(home.db.dir().join("files"));
    }
    (1..=3).for_each(|number| home.add(&format!("project_{number}")));
    home.run(&fleet(&tables(dialect, now)), &crate::HEAD, &RunOptions::default());
    let catalog = tables(dialect, 3);
    let action = if up { Goal::Head } else { Goal::DownTo(format!("{then:04}").parse().unwrap()) };
    let action = Action::Migrate(action);
    let one = Fleet { jobs: 1, ..fleet(&catalog) };
    let (stop, journal) = (Stop::default(), home.journal());
    if retried {
        let block = if up { "CREATE TABLE t3 (id INTEGER)" } else { "DROP TABLE t3" };
        home.batch(2, block);
        one.run(&home.found(), &action, &whatever(), &journal, &(), &stop).unwrap();
        let mend = if up { "DROP TABLE t3" } else { "CREATE TABLE t3 (id INTEGER)" };
        home.batch(2, mend);
    } else {
        let watch = StopAfter { stop: &stop, left: 1.into() };
        one.run(&home.found(), &action, &whatever(), &journal, &watch, &stop).unwrap();
    }
    home
}

/// Goes on, whichever way.
fn go_on(home: &Home, found: &Found, catalog: &Catalog, retried: bool) -> Result<i32, FleetError> {
    let (fleet, journal, stop) = (fleet(catalog), home.journal(), Stop::default());
    if retried {
        fleet.retry_failed(found, &journal, &(), &stop)
    } else {
        fleet.resume(found, &journal, &(), &stop)
    }
}

/// Makes `change`, and gives the targets as they are found then.
fn change(change: Change, home: &Home, other: &Home, bouncer: Option<&PgBouncer>) -> Found {
    match (change, home.db.dialect()) {
        (Change::Database, _) => return other.found(),
        (Change::Address, _) => {
            let url = bouncer.unwrap().url(&home.db).parse().unwrap();
            let (pattern, names) = ("project_%".to_owned(), underpin_fleet::Names::Numbers);
            return underpin_fleet::Source::Schemas { url, pattern, names }.find().unwrap();
        }
        (Change::Target, Dialect::Sqlite) => {
            let (file, aside) = (home.file("project_2"), home.db.dir().join("aside"));
            fs::copy(&file, &aside).unwrap();
            fs::rename(aside, file).unwrap();
        }
        (Change::Target, Dialect::Postgres) => home.db.batch(
            "ALTER SCHEMA project_2 RENAME TO aside; CREATE SCHEMA project_2; \
             CREATE TABLE project_2.__diesel_schema_migrations AS TABLE aside.__diesel_schema_migrations; \
             CREATE TABLE project_2.underpin_history AS TABLE aside.underpin_history",
        ),
        (Change::Moved, _) => {
            let mut found = home.found();
            let moved = home.db.dir().join("moved");
            fs::rename(home.db.dir().join("real"), &moved).unwrap();
            for target in &mut found.targets {
                let name = format!("project_{}.db", target.id);
                target.place = underpin_fleet::Place::File(moved.join(name));
            }
            return found;
        }
        (Change::Link, _) => {
            let (link, copied) = (home.db.dir().join("files"), home.db.dir().join("copied"));
            fs::create_dir(&copied).unwrap();
            for number in 1..=3 {
                let name = format!("project_{number}.db");
                fs::copy(link.join(&name), copied.join(&name)).unwrap();
            }
            fs::remove_file(&link).unwrap();
            symlink("copied", link).unwrap();
        }
        (Change::Fewer, _) => {
            let mut found = home.found();
            found.targets.retain(|target| target.id != "2");
            return found;
        }
        (Change::Unnoted, _) => {
            let file = underpin_db::DatabaseUrl::file(&home.db.dir().join("journal"));
            block_on(async || {
                let mut conn = file.connect(&underpin_db::ConnectOptions::default()).await.unwrap();
                let forget = "UPDATE runs SET id = NULL, dialect = NULL, catalog = NULL; \
                              UPDATE targets SET key = NULL, identity = NULL";
                conn.batch(forget).await.unwrap();
            });
        }
        _ => {}
    }
    home.found()
}

fn applied(home: &Home, found: &Found) -> Vec<Vec<String>> {
    let query = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let one = |url: underpin_db::DatabaseUrl| {
        block_on(async || {
            let mut conn = url.connect(&underpin_db::ConnectOptions::default()).await.unwrap();
            conn.texts(query).await.unwrap()
        })
    };
    let all = found.targets.iter().map(|target| one(target.url()));
    let home = home.found();
    all.chain(home.targets.iter().map(|target| one(target.url()))).collect()
}

#[rstest]
fn another_one_is_refused_and_stays_what_it_is(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(false, true)] up: bool,
    #[values(false, true)] retried: bool,
) {
    for one in ALL.into_iter().filter(|one| one.is_of(dialect)) {
        let home = interrupted(dialect, up, retried);
        let other = Home::at_head(&tables(dialect, if up { 1 } else { 3 }), 3);
        let bouncer =
            (one == Change::Address).then(|| PgBouncer::start(&home.db, Settings::Refused));
        let found = change(one, &home, &other, bouncer.as_ref());
        let looked = |found: &Found| match one {
            Change::Moved => Vec::new(),
            // Behind the pooler are the same targets.
            Change::Address => applied(&home, &home.found()),
            _ => applied(&home, found),
        };
        let before = looked(&found);

        let error = go_on(&home, &found, &one.catalog(dialect), retried).unwrap_err();

        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{one:?}: {text}");
        assert!(text.contains(one.told(dialect)), "{one:?}: {text}");
        assert!(text.contains("begin a new run with `underpin fleet "), "{one:?}: {text}");
        if matches!(one, Change::Database | Change::Address) {
            assert!(text.contains(&home.found().source) && text.contains(&found.source), "{text}");
        }
        assert_eq!(looked(&found), before, "{one:?}");
        // The journal tells of the run all the same, and it is not gone on with.
        let report = Journal::open(&home.db.dir().join("journal")).unwrap().report(None).unwrap();
        assert_eq!(report.counts.done, if retried { 2 } else { 1 }, "{one:?}");
        assert_ne!(report.run.outcome.as_str(), "running");
    }
}

/// Whoever leads to the same place may go on, and newer migrations are none of the run's.
#[rstest]
fn the_same_is_gone_on_with(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(false, true)] up: bool,
    #[values(false, true)] retried: bool,
) {
    let home = interrupted(dialect, up, retried);

    let number = go_on(&home, &home.found(), &tables(dialect, 4), retried).unwrap();

    assert_eq!(number, if retried { 3 } else { 2 });
    let wanted: &[&str] = if up { &["0001", "0002", "0003"] } else { &["0001"] };
    for number in 1..=3 {
        assert_eq!(home.applied(number), wanted);
    }
}

/// Whatever leaves nothing applied is asked for again, and does nothing without an answer.
#[rstest]
fn base_is_asked_for_each_time(#[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect) {
    struct No;
    impl underpin_fleet::Watch for No {
        fn may_empty(&self, targets: usize, _: bool) -> bool {
            assert!(targets > 0);
            false
        }
        fn begins(&self, _: i32, _: usize, _: usize, _: usize) {
            panic!("nobody said that it may");
        }
        fn wave(&self, _: i32, _: usize) {}
        fn done(
            &self,
            _: &underpin_fleet::Target,
            _: Option<&str>,
            _: std::time::Duration,
            _: Option<&str>,
        ) {
        }
    }
    let catalog = tables(dialect, 2);
    let home = Home::at_head(&catalog, 3);
    let (found, journal) = (home.found(), home.journal());
    let one = Fleet { jobs: 1, ..fleet(&catalog) };
    let stop = Stop::default;
    for goal in [Goal::Base, Goal::Down(2), Goal::Down(9)] {
        let base = Action::Migrate(goal);
        let refused = one.run(&found, &base, &whatever(), &journal, &No, &stop()).unwrap_err();
        assert_eq!((refused.exit_code(), refused.to_string().contains("`--yes`")), (2, true));
    }
    assert_eq!(journal.report(None).unwrap().run.number, 1, "no run was begun");

    home.batch(2, "DROP TABLE t2");
    let end = stop();
    let watch = StopAfter { stop: &end, left: 2.into() };
    let base = Action::Migrate(Goal::Base);
    one.run(&found, &base, &whatever(), &journal, &watch, &end).unwrap();
    one.resume(&found, &journal, &No, &stop()).unwrap_err();
    assert_eq!(home.applied(3), ["0001", "0002"]);
    one.resume(&found, &journal, &(), &stop()).unwrap();
    home.batch(2, "CREATE TABLE t2 (id INTEGER)");
    one.retry_failed(&found, &journal, &No, &stop()).unwrap_err();
    assert_eq!(
        (home.applied(2), home.applied(3)),
        (vec!["0001".to_owned(), "0002".to_owned()], vec![])
    );
    one.retry_failed(&found, &journal, &(), &stop()).unwrap();
    assert!(home.applied(2).is_empty());
}

/// Four targets, of which the second is somewhere else, where it can be lost.
struct Lost {
    home: Home,
    db: TestDb,
    found: Found,
}

/// How the run is gone on with while the second target is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// It was stopped, and takes no failure.
    Resumed,
    /// It was stopped, and takes any number of failures.
    Whatever,
    /// Two targets failed.
    Retried,
}

impl Lost {
    /// All are at version 1, and a run to version 2 came to an end before it had done the second.
    fn new(dialect: Dialect, on: On) -> Self {
        let home = Home::new(dialect, 3);
        let db = match dialect {
            Dialect::Sqlite => TestDb::new(dialect),
            Dialect::Postgres => TestDb::with_login(),
        };
        if dialect == Dialect::Sqlite {
            fs::write(db.file(), "").unwrap();
        }
        let mut urls: Vec<_> = (1..=3).map(|number| home.url(number).expose().to_owned()).collect();
        urls.insert(1, db.url().to_owned());
        let file = home.db.dir().join("list");
        fs::write(&file, urls.join("\n")).unwrap();
        let lost = Self { home, db, found: Source::List(file).find().unwrap() };
        lost.run(1, &RunOptions::default(), &Stop::default(), 9);
        let stop = Stop::default();
        match on {
            On::Resumed => lost.run(2, &RunOptions::default(), &stop, 1),
            On::Whatever => lost.run(2, &whatever(), &stop, 1),
            On::Retried => {
                lost.batch("CREATE TABLE t2 (id INTEGER)");
                lost.run(2, &whatever(), &stop, 9);
                lost.batch("DROP TABLE t2");
            }
        }
        lost
    }

    /// Stops after so many targets.
    fn run(&self, versions: u32, options: &RunOptions, stop: &Stop, left: usize) {
        let catalog = tables(self.db.dialect(), versions);
        let watch = StopAfter { stop, left: left.into() };
        let one = Fleet { jobs: 1, ..fleet(&catalog) };
        one.run(&self.found, &HEAD, options, &self.home.journal(), &watch, stop).unwrap();
    }

    /// Runs a statement in the second and the third target.
    fn batch(&self, statement: &str) {
        for target in &self.found.targets[1..=2] {
            block_on(async || {
                let url = target.url();
                let options = underpin_db::ConnectOptions::default();
                url.connect(&options).await.unwrap().batch(statement).await.unwrap();
            });
        }
    }

    fn go_on(&self, retried: bool) -> Result<Report, FleetError> {
        go_on(&self.home, &self.found, &tables(self.db.dialect(), 2), retried)?;
        Ok(self.report())
    }

    fn report(&self) -> Report {
        Journal::open(&self.home.db.dir().join("journal")).unwrap().report(None).unwrap()
    }

    fn lose(&self) {
        match self.db.dialect() {
            Dialect::Sqlite => {
                fs::rename(self.db.file(), self.db.dir().join("aside")).unwrap();
            }
            Dialect::Postgres => self.log_in("NOLOGIN"),
        }
    }

    fn find(&self) {
        match self.db.dialect() {
            Dialect::Sqlite => {
                fs::rename(self.db.dir().join("aside"), self.db.file()).unwrap();
            }
            Dialect::Postgres => self.log_in("LOGIN"),
        }
    }

    fn log_in(&self, may: &str) {
        self.db.batch(&format!("ALTER ROLE {} {may}", self.db.login().unwrap()));
    }

    /// Another one stands where the second target was.
    fn replace(&self) {
        match self.db.dialect() {
            Dialect::Sqlite => {
                fs::copy(self.db.dir().join("aside"), self.db.file()).unwrap();
            }
            Dialect::Postgres => {
                self.log_in("LOGIN");
                let owner = self.db.login().unwrap();
                self.db.batch(&format!(
                    "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {owner}"
                ));
            }
        }
    }
}

/// It fails alone, by its own reason; what it was and where it goes is known when it is there again.
#[rstest]
fn one_that_is_lost_costs_itself(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(On::Resumed, On::Whatever, On::Retried)] on: On,
    #[values(true, false)] same: bool,
) {
    let lost = Lost::new(dialect, on);
    let id = |index: usize| lost.found.targets[index].id.clone();
    let fails = |report: &Report| {
        let reason = reason(report, &id(1));
        let told = match dialect {
            Dialect::Sqlite => "no file `",
            Dialect::Postgres => "refused the connection",
        };
        assert!(reason.contains(told) && !reason.contains("nothing was changed"), "{reason}");
        assert_eq!(report.counts.failed, 1, "{report:#?}");
    };
    lost.lose();

    let mut report = lost.go_on(on == On::Retried).unwrap();

    fails(&report);
    if on == On::Resumed {
        assert_eq!(report.run.outcome.as_str(), "stopped");
        assert_eq!((report.counts.done, report.counts.waiting), (1, 2), "{report:#?}");
        // Whoever goes on has seen it.
        report = lost.go_on(false).unwrap();
        fails(&report);
    }
    assert_eq!(report.run.outcome.as_str(), "failed");
    assert_eq!(report.counts.done, if on == On::Retried { 1 } else { 3 }, "{report:#?}");
    fails(&lost.go_on(true).unwrap());
    if same {
        lost.find();
        let report = lost.go_on(true).unwrap();
        assert_eq!(states(&report)[&id(1)], ("done", Some("0002".to_owned())));
    } else {
        lost.replace();
        let error = lost.go_on(true).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("when it was "), "{error}");
    }
}

/// Whatever else is lost, another database is refused before anything is changed.
#[rstest]
fn another_one_beside_one_that_is_lost_is_refused(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(On::Resumed, On::Whatever, On::Retried)] on: On,
) {
    let lost = Lost::new(dialect, on);
    let before = lost.report();
    lost.lose();
    // The third of the list.
    change(Change::Target, &lost.home, &lost.home, None);

    let error = lost.go_on(on == On::Retried).unwrap_err();

    let text = error.to_string();
    assert_eq!(error.exit_code(), 2, "{text}");
    assert!(text.contains(Change::Target.told(dialect)) && text.contains("project_2"), "{text}");
    assert_eq!(lost.report().targets, before.targets);
    assert_eq!(lost.home.applied(2), ["0001"]);
}

/// A target that came half way is not taken further than it was to go when it was lost in between.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_that_was_lost_goes_where_it_was_to_go(#[case] dialect: Dialect) {
    let lost = Lost::new(dialect, On::Whatever);
    lost.run(3, &whatever(), &Stop::default(), 9);
    // Taking two back fails at the second, when the first is for good.
    let mut parted = tables(dialect, 3).migrations().to_vec();
    parted[2].metadata.run_in_transaction = false;
    let catalog = catalog(dialect, parted);
    lost.batch("DROP TABLE t2");
    let unproven = RunOptions { verify: false, limit: Limit::None, ..RunOptions::default() };
    let (back, stop) = (Action::Migrate(Goal::Down(2)), Stop::default());
    let fleet = fleet(&catalog);
    let retry = || {
        let journal = lost.home.journal();
        fleet.retry_failed(&lost.found, &journal, &(), &stop).unwrap();
    };
    fleet.run(&lost.found, &back, &unproven, &lost.home.journal(), &(), &stop).unwrap();
    let id = &lost.found.targets[1].id;
    assert_eq!(states(&lost.report())[id], ("failed", Some("0002".to_owned())));
    lost.batch("CREATE TABLE t2 (id INTEGER)");
    lost.lose();
    retry();
    assert_eq!(states(&lost.report())[id].0, "failed");
    lost.find();

    retry();

    assert_eq!(states(&lost.report())[id], ("done", Some("0001".to_owned())));
}
