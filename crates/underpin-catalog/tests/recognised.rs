//! What is told of a statement, in every spelling of it.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use rstest::rstest;
use underpin_catalog::{
    Dialect::{self, Postgres, Sqlite},
    statement::{
        Concurrently, Control, Kind, Lasting, ObjectName, TableChange, at_once, changed_table,
        concurrently, control, created_index, dropped_tables, invisible, lasting, pragma, split,
    },
};

/// The spellings of a statement whose words are given: as they are, in other letters, with comments,
/// blanks and line ends between and around them.
fn spellings(words: &[&str], dialect: Dialect) -> Vec<String> {
    let lower: Vec<_> = words.iter().map(|word| other_case(word)).collect();
    let lower: Vec<_> = lower.iter().map(String::as_str).collect();
    let mut between = vec![
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "/**/",
        "/* ; */",
        " /* it's \" */ ",
        "-- no; it's\n",
        "\n-- a\n-- b\n",
    ];
    if dialect == Postgres {
        between.extend(["/* a /* b */ c */", "-- c\r"]);
    }
    let mut all = Vec::new();
    for (words, between) in
        [words, &lower[..]].iter().flat_map(|one| between.iter().map(move |two| (one, two)))
    {
        let text = words.join(between);
        all.extend([
            format!("{text};"),
            format!("-- first\n{text} -- last"),
            format!("/* ; */ ;{text}"),
        ]);
    }
    all
}

/// Keywords do not mind their case; what is quoted does.
fn other_case(word: &str) -> String {
    if word.contains(['"', '\'', '`', '[', '$']) { word.to_owned() } else { word.to_lowercase() }
}

#[rstest]
#[case::begin(&["BEGIN", "IMMEDIATE"], Sqlite, Kind::TransactionControl)]
#[case::begin_work(&["BEGIN", "WORK"], Postgres, Kind::TransactionControl)]
#[case::start(&["START", "TRANSACTION"], Postgres, Kind::TransactionControl)]
#[case::commit(&["COMMIT"], Postgres, Kind::TransactionControl)]
#[case::commit_and_chain(&["COMMIT", "AND", "CHAIN"], Postgres, Kind::TransactionControl)]
#[case::commit_prepared(&["COMMIT", "PREPARED", "'x'"], Postgres, Kind::TransactionControl)]
#[case::end(&["END"], Sqlite, Kind::TransactionControl)]
#[case::prepare(&["PREPARE", "TRANSACTION", "'x'"], Postgres, Kind::TransactionControl)]
#[case::abort(&["ABORT"], Postgres, Kind::TransactionControl)]
#[case::roll_back(&["ROLLBACK", "WORK"], Postgres, Kind::TransactionControl)]
#[case::roll_back_to(&["ROLLBACK", "TO", "a"], Sqlite, Kind::TransactionControl)]
#[case::roll_back_work_to(&["ROLLBACK", "WORK", "TO", "SAVEPOINT", "a"], Postgres, Kind::TransactionControl)]
#[case::savepoint(&["SAVEPOINT", "a"], Postgres, Kind::TransactionControl)]
#[case::release(&["RELEASE", "a"], Sqlite, Kind::TransactionControl)]
#[case::prepared(&["PREPARE", "q", "AS", "SELECT", "1"], Postgres, Kind::Other)]
#[case::foreign_keys(&["PRAGMA", "foreign_keys", "=", "OFF"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_called(&["PRAGMA", "main", ".", "foreign_keys", "(", "0", ")"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_quoted(&["PRAGMA", "\"foreign_keys\"", "=", "0"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_in_brackets(&["PRAGMA", "[main]", ".", "[foreign_keys]", "=", "0"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_in_apostrophes(&["PRAGMA", "'foreign_keys'", "=", "0"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_in_backticks(&["PRAGMA", "`foreign_keys`", "=", "0"], Sqlite, Kind::ForeignKeysPragma)]
#[case::foreign_keys_asked(&["PRAGMA", "foreign_keys"], Sqlite, Kind::Other)]
#[case::a_table_of_that_name(&["PRAGMA", "table_info", "(", "foreign_keys", ")"], Sqlite, Kind::Other)]
#[case::journal(&["PRAGMA", "journal_mode", "=", "WAL"], Sqlite, Kind::NotInTransaction)]
#[case::journal_quoted(&["PRAGMA", "\"main\"", ".", "\"journal_mode\"", "=", "\"WAL\""], Sqlite, Kind::NotInTransaction)]
#[case::journal_asked(&["PRAGMA", "journal_mode"], Sqlite, Kind::Other)]
#[case::synchronous(&["PRAGMA", "synchronous", "(", "OFF", ")"], Sqlite, Kind::NotInTransaction)]
#[case::temp_store(&["PRAGMA", "temp_store", "=", "2"], Sqlite, Kind::Other)]
#[case::page_size(&["PRAGMA", "page_size", "=", "8192"], Sqlite, Kind::NotInTransaction)]
#[case::auto_vacuum(&["PRAGMA", "auto_vacuum", "=", "FULL"], Sqlite, Kind::NotInTransaction)]
#[case::checkpoint(&["PRAGMA", "wal_checkpoint"], Sqlite, Kind::NotInTransaction)]
#[case::encoding(&["PRAGMA", "encoding", "=", "'UTF-16'"], Sqlite, Kind::NotInTransaction)]
#[case::the_usual_encoding(&["PRAGMA", "encoding", "=", "\"UTF-8\""], Sqlite, Kind::Other)]
#[case::user_version(&["PRAGMA", "user_version", "=", "7"], Sqlite, Kind::Other)]
#[case::vacuum(&["VACUUM"], Sqlite, Kind::NotInTransaction)]
#[case::attach(&["ATTACH", "':memory:'", "AS", "x"], Sqlite, Kind::NotInTransaction)]
#[case::detach(&["DETACH", "x"], Sqlite, Kind::NotInTransaction)]
#[case::a_command_of_sqlite3(&[".tables"], Sqlite, Kind::MetaCommand)]
#[case::vacuum_a_table(&["VACUUM", "(", "ANALYZE", ",", "VERBOSE", ")", "t"], Postgres, Kind::NotInTransaction)]
#[case::index(&["CREATE", "INDEX", "CONCURRENTLY", "i", "ON", "t", "(", "a", ")"], Postgres, Kind::NotInTransaction)]
#[case::unique_index(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", "IF", "NOT", "EXISTS", "\"I i\"", "ON", "t", "(", "a", ")"], Postgres, Kind::NotInTransaction)]
#[case::unnamed_index(&["CREATE", "INDEX", "CONCURRENTLY", "ON", "t", "(", "a", ")"], Postgres, Kind::NotInTransaction)]
#[case::drop_index(&["DROP", "INDEX", "CONCURRENTLY", "IF", "EXISTS", "i"], Postgres, Kind::NotInTransaction)]
#[case::an_index_of_such_a_name(&["CREATE", "INDEX", "concurrently_built", "ON", "t", "(", "a", ")"], Postgres, Kind::Other)]
#[case::a_column_of_such_a_name(&["CREATE", "INDEX", "i", "ON", "t", "(", "\"concurrently\"", ")"], Postgres, Kind::Other)]
#[case::an_index_of_that_name(&["CREATE", "INDEX", "\"CONCURRENTLY\"", "ON", "t", "(", "a", ")"], Postgres, Kind::Other)]
#[case::reindex(&["REINDEX", "TABLE", "CONCURRENTLY", "t"], Postgres, Kind::NotInTransaction)]
#[case::reindex_by_option(&["REINDEX", "(", "VERBOSE", ",", "CONCURRENTLY", ")", "INDEX", "i"], Postgres, Kind::NotInTransaction)]
#[case::reindex_by_option_off(&["REINDEX", "(", "CONCURRENTLY", "false", ")", "INDEX", "i"], Postgres, Kind::Other)]
#[case::reindex_schema(&["REINDEX", "SCHEMA", "public"], Postgres, Kind::NotInTransaction)]
#[case::reindex_database(&["REINDEX", "(", "VERBOSE", ")", "DATABASE", "x"], Postgres, Kind::NotInTransaction)]
#[case::reindex_system(&["REINDEX", "SYSTEM", "x"], Postgres, Kind::NotInTransaction)]
#[case::reindex_a_table(&["REINDEX", "TABLE", "t"], Postgres, Kind::Other)]
#[case::cluster(&["CLUSTER"], Postgres, Kind::NotInTransaction)]
#[case::cluster_aloud(&["CLUSTER", "(", "VERBOSE", ")"], Postgres, Kind::NotInTransaction)]
#[case::cluster_a_table(&["CLUSTER", "t", "USING", "i"], Postgres, Kind::Other)]
#[case::discard(&["DISCARD", "ALL"], Postgres, Kind::NotInTransaction)]
#[case::discard_temp(&["DISCARD", "TEMP"], Postgres, Kind::Other)]
#[case::detach_partition(&["ALTER", "TABLE", "p", "DETACH", "PARTITION", "c", "CONCURRENTLY"], Postgres, Kind::NotInTransaction)]
#[case::detach_at_once(&["ALTER", "TABLE", "p", "DETACH", "PARTITION", "c"], Postgres, Kind::Other)]
#[case::database(&["CREATE", "DATABASE", "x"], Postgres, Kind::NotInTransaction)]
#[case::drop_database(&["DROP", "DATABASE", "IF", "EXISTS", "x"], Postgres, Kind::NotInTransaction)]
#[case::move_database(&["ALTER", "DATABASE", "x", "SET", "TABLESPACE", "y"], Postgres, Kind::NotInTransaction)]
#[case::set_database(&["ALTER", "DATABASE", "x", "SET", "work_mem", "=", "'1MB'"], Postgres, Kind::Other)]
#[case::tablespace(&["CREATE", "TABLESPACE", "x", "LOCATION", "'/x'"], Postgres, Kind::NotInTransaction)]
#[case::system(&["ALTER", "SYSTEM", "RESET", "work_mem"], Postgres, Kind::NotInTransaction)]
#[case::subscription(&["CREATE", "SUBSCRIPTION", "s", "CONNECTION", "''", "PUBLICATION", "p"], Postgres, Kind::NotInTransaction)]
#[case::subscription_later(&["CREATE", "SUBSCRIPTION", "s", "CONNECTION", "''", "PUBLICATION", "p", "WITH", "(", "connect", "=", "false", ")"], Postgres, Kind::Other)]
#[case::enum_value(&["ALTER", "TYPE", "\"my mood\"", "ADD", "VALUE", "'glad'"], Postgres, Kind::AddEnumValue)]
#[case::enum_value_of_a_schema(&["ALTER", "TYPE", "a", ".", "mood", "ADD", "VALUE", "IF", "NOT", "EXISTS", "'glad'"], Postgres, Kind::AddEnumValue)]
#[case::another_name_of_a_value(&["ALTER", "TYPE", "mood", "RENAME", "VALUE", "'a'", "TO", "'b'"], Postgres, Kind::Other)]
#[case::copy_in(&["COPY", "t", "FROM", "STDIN"], Postgres, Kind::CopyIn)]
#[case::copy_in_columns(&["COPY", "a", ".", "\"t\"", "(", "a", ",", "b", ")", "FROM", "STDIN", "WITH", "(", "FORMAT", "csv", ")"], Postgres, Kind::CopyIn)]
#[case::copy_in_by_the_other_word(&["COPY", "t", "FROM", "STDOUT"], Postgres, Kind::CopyIn)]
#[case::copy_binary(&["COPY", "BINARY", "t", "FROM", "STDIN"], Postgres, Kind::CopyIn)]
#[case::strings_off(&["SET", "standard_conforming_strings", "=", "off"], Postgres, Kind::StringsOff)]
#[case::strings_off_quoted(&["SET", "LOCAL", "\"standard_conforming_strings\"", "TO", "'off'"], Postgres, Kind::StringsOff)]
#[case::strings_off_by_number(&["SET", "SESSION", "standard_conforming_strings", "TO", "0"], Postgres, Kind::StringsOff)]
#[case::strings_on(&["SET", "standard_conforming_strings", "=", "on"], Postgres, Kind::Other)]
#[case::strings_as_ever(&["SET", "standard_conforming_strings", "TO", "DEFAULT"], Postgres, Kind::Other)]
#[case::another_setting(&["SET", "backslash_quote", "=", "off"], Postgres, Kind::Other)]
#[case::level(&["SET", "TRANSACTION", "ISOLATION", "LEVEL", "SERIALIZABLE"], Postgres, Kind::BeforeQueries)]
#[case::level_of_two_words(&["SET", "LOCAL", "TRANSACTION", "READ", "WRITE", ",", "ISOLATION", "LEVEL", "REPEATABLE", "READ"], Postgres, Kind::BeforeQueries)]
#[case::level_below(&["SET", "SESSION", "TRANSACTION", "ISOLATION", "LEVEL", "READ", "UNCOMMITTED"], Postgres, Kind::BeforeQueries)]
#[case::level_as_a_setting(&["SET", "LOCAL", "transaction_isolation", "=", "'serializable'"], Postgres, Kind::BeforeQueries)]
#[case::level_by_a_function(&["SELECT", "pg_catalog", ".", "set_config", "(", "'transaction_isolation'", ",", "'serializable'", ",", "true", ")"], Postgres, Kind::BeforeQueries)]
#[case::snapshot(&["SET", "TRANSACTION", "SNAPSHOT", "'00000003-0000001B-1'"], Postgres, Kind::BeforeQueries)]
#[case::deferrable(&["SET", "TRANSACTION", "NOT", "DEFERRABLE"], Postgres, Kind::BeforeQueries)]
#[case::deferrable_as_a_setting(&["SET", "transaction_deferrable", "TO", "on"], Postgres, Kind::BeforeQueries)]
#[case::the_level_that_is(&["SET", "TRANSACTION", "ISOLATION", "LEVEL", "READ", "COMMITTED", ",", "READ", "WRITE"], Postgres, Kind::Other)]
#[case::the_level_that_is_as_a_setting(&["SET", "transaction_isolation", "TO", "'READ COMMITTED'"], Postgres, Kind::Other)]
#[case::level_where_it_begins(&["BEGIN", "ISOLATION", "LEVEL", "SERIALIZABLE", ",", "READ", "WRITE"], Postgres, Kind::TransactionControl)]
#[case::level_of_the_session(&["SET", "SESSION", "CHARACTERISTICS", "AS", "TRANSACTION", "ISOLATION", "LEVEL", "SERIALIZABLE"], Postgres, Kind::Other)]
#[case::level_after_the_code_ended_its_transaction(&["DO", "$$BEGIN COMMIT; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; END$$"], Postgres, Kind::Other)]
#[case::read_only(&["SET", "TRANSACTION", "READ", "ONLY"], Postgres, Kind::ReadOnly)]
#[case::read_only_begin(&["BEGIN", "READ", "ONLY"], Postgres, Kind::ReadOnly)]
#[case::read_only_start(&["START", "TRANSACTION", "ISOLATION", "LEVEL", "SERIALIZABLE", ",", "READ", "ONLY"], Postgres, Kind::ReadOnly)]
#[case::read_only_as_a_setting(&["SET", "LOCAL", "\"transaction_read_only\"", "=", "1"], Postgres, Kind::ReadOnly)]
#[case::read_only_by_a_function(&["SELECT", "set_config", "(", "is_local", "=>", "true", ",", "new_value", "=>", "'on'", ",", "setting_name", "=>", "'transaction_read_only'", ")"], Postgres, Kind::ReadOnly)]
#[case::read_only_by_the_view(&["UPDATE", "pg_settings", "SET", "setting", "=", "'on'", "WHERE", "name", "=", "'transaction_read_only'"], Postgres, Kind::ReadOnly)]
#[case::read_write(&["SET", "transaction_read_only", "TO", "off"], Postgres, Kind::Other)]
#[case::encoding(&["SET", "client_encoding", "=", "'LATIN1'"], Postgres, Kind::OtherEncoding)]
#[case::encoding_of_the_transaction(&["SET", "LOCAL", "\"client_encoding\"", "TO", "WIN1252"], Postgres, Kind::OtherEncoding)]
#[case::encoding_by_numbers(&["SET", "U&\"client\\005fencoding\"", "TO", "'SQL_ASCII'"], Postgres, Kind::OtherEncoding)]
#[case::names(&["SET", "SESSION", "NAMES", "'latin1'"], Postgres, Kind::OtherEncoding)]
#[case::encoding_by_a_function(&["SELECT", "pg_catalog", ".", "set_config", "(", "E'client\\x5fencoding'", ",", "'LATIN1'", ",", "false", ")"], Postgres, Kind::OtherEncoding)]
#[case::encoding_worked_out(&["SELECT", "set_config", "(", "'client_encoding'", ",", "a", ",", "false", ")", "FROM", "t"], Postgres, Kind::OtherEncoding)]
#[case::encoding_of_a_new_table(&["CREATE", "TABLE", "t", "AS", "SELECT", "set_config", "(", "'client_encoding'", ",", "'LATIN1'", ",", "false", ")"], Postgres, Kind::OtherEncoding)]
#[case::encoding_by_the_view(&["UPDATE", "pg_catalog", ".", "pg_settings", "SET", "setting", "=", "'LATIN1'", "WHERE", "name", "=", "'client_encoding'"], Postgres, Kind::OtherEncoding)]
#[case::encoding_in_code(&["DO", "$$BEGIN IF true THEN SET NAMES 'LATIN1'; END IF; END$$"], Postgres, Kind::OtherEncoding)]
#[case::encoding_in_run_code(&["DO", "$$BEGIN EXECUTE 'SET client_encoding TO LATIN1'; END$$"], Postgres, Kind::OtherEncoding)]
#[case::encoding_of_a_call_in_code(&["DO", "$$BEGIN PERFORM set_config('client_encoding', 'LATIN1', true); END$$"], Postgres, Kind::OtherEncoding)]
#[case::utf8(&["SET", "client_encoding", "=", "'UTF8'"], Postgres, Kind::Other)]
#[case::utf8_with_a_hyphen(&["SET", "client_encoding", "TO", "'utf-8'"], Postgres, Kind::Other)]
#[case::unicode(&["SET", "NAMES", "'UNICODE'"], Postgres, Kind::Other)]
#[case::names_as_ever(&["SET", "NAMES"], Postgres, Kind::Other)]
#[case::encoding_as_ever(&["SET", "client_encoding", "TO", "DEFAULT"], Postgres, Kind::Other)]
#[case::encoding_reset(&["RESET", "client_encoding"], Postgres, Kind::Other)]
#[case::utf8_by_a_function(&["SELECT", "set_config", "(", "'client_encoding'", ",", "'UTF8'", ",", "false", ")"], Postgres, Kind::Other)]
#[case::encoding_of_a_role(&["ALTER", "ROLE", "r", "SET", "client_encoding", "=", "'LATIN1'"], Postgres, Kind::Other)]
#[case::encoding_of_somebody(&["SET", "app", ".", "client_encoding", "=", "'LATIN1'"], Postgres, Kind::Other)]
#[case::encoding_of_a_column(&["UPDATE", "t", "SET", "client_encoding", "=", "'LATIN1'"], Postgres, Kind::Other)]
#[case::encoding_of_a_function(&["CREATE", "FUNCTION", "f", "(", ")", "RETURNS", "text", "RETURN", "set_config", "(", "'client_encoding'", ",", "'LATIN1'", ",", "true", ")"], Postgres, Kind::Other)]
#[case::encoding_that_is_told(&["INSERT", "INTO", "t", "VALUES", "(", "'SET client_encoding = LATIN1'", ")"], Postgres, Kind::Other)]
#[case::copy_out(&["COPY", "t", "TO", "STDOUT"], Postgres, Kind::CopyOut)]
#[case::copy_a_query(&["COPY", "(", "SELECT", "1", "FROM", "t", ")", "TO", "STDOUT"], Postgres, Kind::CopyOut)]
#[case::copy_a_file(&["COPY", "t", "FROM", "'/tmp/stdin'"], Postgres, Kind::Other)]
#[case::copy_a_table_called_stdin(&["COPY", "stdin", "FROM", "PROGRAM", "'cat'"], Postgres, Kind::Other)]
#[case::copy_a_column_called_stdin(&["COPY", "t", "(", "stdin", ")", "FROM", "'/tmp/x'"], Postgres, Kind::Other)]
#[case::copy_a_table_called_binary(&["COPY", "binary", "FROM", "'/tmp/x'"], Postgres, Kind::Other)]
#[case::copy_a_query_to_a_file(&["COPY", "(", "SELECT", "stdout", "FROM", "t", ")", "TO", "'/tmp/x'"], Postgres, Kind::Other)]
fn the_kind_is_told(#[case] words: &[&str], #[case] dialect: Dialect, #[case] kind: Kind) {
    for text in spellings(words, dialect) {
        assert_eq!(split(&text, dialect).unwrap()[0].kind, kind, "{text:?}");
    }
}

#[rstest]
#[case(&["BEGIN"], Control::Begin)]
#[case(&["BEGIN", "TRANSACTION"], Control::Begin)]
#[case(&["COMMIT", "TRANSACTION"], Control::Commit)]
#[case(&["END"], Control::Commit)]
#[case(&["ROLLBACK", "TRANSACTION"], Control::RollBack)]
#[case(&["ROLLBACK", "TO", "a"], Control::RollBackTo)]
#[case(&["ROLLBACK", "TRANSACTION", "TO", "SAVEPOINT", "a"], Control::RollBackTo)]
#[case(&["SAVEPOINT", "a"], Control::Savepoint)]
#[case(&["RELEASE", "SAVEPOINT", "a"], Control::Savepoint)]
fn what_is_done_to_a_transaction_is_told(
    #[values(Sqlite, Postgres)] dialect: Dialect,
    #[case] words: &[&str],
    #[case] done: Control,
) {
    for text in spellings(words, dialect) {
        let text = split(&text, dialect).unwrap()[0].text;
        assert_eq!(control(text, dialect), Some(done), "{text:?}");
    }
    assert_eq!(control("SELECT 'COMMIT'", dialect), None);
}

#[rstest]
#[case("\\d t")]
#[case("\\restrict it's")]
#[case("\\connect other")]
#[case("SELECT 1 \\gexec")]
#[case("SELECT 1\n\\gset\n")]
#[case("\\copy t FROM stdin")]
#[case("\\.")]
fn a_command_of_psql_is_told(#[case] text: &str) {
    assert_eq!(split(text, Postgres).unwrap()[0].kind, Kind::MetaCommand);
}

/// A name as each dialect may spell it.
fn names(name: &str, dialect: Dialect) -> Vec<String> {
    match dialect {
        Sqlite => [
            name.to_owned(),
            name.to_uppercase(),
            format!("\"{name}\""),
            format!("`{name}`"),
            format!("[{name}]"),
            format!("'{name}'"),
            format!("main.{name}"),
            format!("main . \"{name}\""),
            format!("[main].[{name}]"),
            format!("\"main\"/* . */./**/`{name}`"),
        ]
        .into(),
        Postgres => [
            name.to_owned(),
            name.to_uppercase(),
            format!("\"{name}\""),
            format!("public.{name}"),
            format!("\"public\".\"{name}\""),
            format!("public . /* . */ {name}"),
            format!("U&\"{name}\""),
            format!("u&\"\\{:04x}{}\"", u32::from(name.chars().next().unwrap()), &name[1..]),
            format!(
                "U&\"!+{:06x}{}\" UESCAPE '!'",
                u32::from(name.chars().next().unwrap()),
                &name[1..]
            ),
            format!("db.public.{name}"),
        ]
        .into(),
    }
}

#[rstest]
fn dropped_tables_are_told_in_every_spelling(#[values(Sqlite, Postgres)] dialect: Dialect) {
    let name = match dialect {
        Sqlite => |name: &str| name.to_lowercase(),
        Postgres => |name: &str| name.to_owned(),
    };
    for written in names("child", dialect) {
        for head in ["DROP TABLE ", "drop table if exists ", "DROP/**/TABLE--\n", "Drop\tTable\n"] {
            let found = dropped_tables(&format!("{head}{written}"), dialect);
            assert_eq!(found.len(), 1, "{head}{written}");
            assert_eq!(name(&found[0].name), "child", "{head}{written}");
        }
    }
    let dotted = dropped_tables("DROP TABLE \"a.b\"", dialect);
    assert_eq!((dotted[0].schema.as_deref(), &*dotted[0].name), (None, "a.b"));
    for other in ["DROP INDEX child", "DROP VIEW child", "DROP", "", "CREATE TABLE child (a)"] {
        assert!(dropped_tables(other, dialect).is_empty(), "{other}");
    }
}

#[test]
fn several_tables_are_dropped_at_once() {
    let found = dropped_tables("DROP TABLE a, \"B\", c.D CASCADE", Postgres);

    let names: Vec<_> = found.iter().map(ObjectName::to_sql).collect();
    assert_eq!(names, ["\"a\"", "\"B\"", "\"c\".\"d\""]);
}

#[rstest]
#[case("DROP TABLE {}", true)]
#[case("DROP TABLE IF EXISTS a, {}", true)]
#[case("DELETE FROM {}", true)]
#[case("DELETE FROM {} WHERE version = '1'", true)]
#[case("WITH gone AS (DELETE FROM {} RETURNING 1) SELECT 1", true)]
#[case("UPDATE {} SET version = '1'", true)]
#[case("ALTER TABLE {} RENAME TO a", true)]
#[case("ALTER TABLE {} RENAME COLUMN a TO b", true)]
#[case("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM {}; END", true)]
#[case("SELECT * FROM {}", false)]
#[case("CREATE TABLE a AS SELECT * FROM {}", false)]
#[case("DELETE FROM a WHERE b IN (SELECT version FROM {})", false)]
#[case("INSERT INTO a SELECT version FROM {}", false)]
#[case("ALTER TABLE a RENAME TO b", false)]
fn what_is_done_to_the_history_is_told(
    #[values(Sqlite, Postgres)] dialect: Dialect,
    #[case] text: &str,
    #[case] changed: bool,
) {
    for written in names("underpin_history", dialect) {
        let text = text.replace("{}", &written);
        let found = changed_table(&text, dialect, &["__x", "underpin_history"]);
        assert_eq!(found.is_some(), changed, "{text}");
    }
}

#[rstest]
#[case("TRUNCATE {}")]
#[case("TRUNCATE TABLE a, ONLY {} CASCADE")]
#[case("ALTER TABLE {} SET SCHEMA other")]
#[case("ALTER TABLE IF EXISTS ONLY {} DROP COLUMN version")]
#[case("DELETE FROM ONLY {}")]
#[case("UPDATE ONLY {} SET version = '1'")]
fn what_postgres_does_to_the_history_is_told(#[case] text: &str) {
    for written in names("underpin_history", Postgres) {
        let text = text.replace("{}", &written);
        assert!(changed_table(&text, Postgres, &["underpin_history"]).is_some(), "{text}");
    }
    let owner = "ALTER TABLE underpin_history OWNER TO app";
    assert_eq!(changed_table(owner, Postgres, &["underpin_history"]), None);
}

#[test]
fn an_index_is_told_with_its_table_in_every_spelling() {
    let tables = names("items", Postgres);
    let indexes =
        ["by_name", "\"by_name\"", "BY_NAME", "/* the key */ by_name", "U&\"by\\005fname\""];
    for table in &tables {
        for index in indexes {
            for head in [
                "INDEX CONCURRENTLY",
                "unique index concurrently if not exists",
                "INDEX/**/CONCURRENTLY--\n",
            ] {
                let text = format!("CREATE {head} {index} ON {table} (name)");
                let Some(Concurrently::Create(found)) = concurrently(&text) else {
                    panic!("{text}")
                };
                assert_eq!(found.name.as_deref(), Some("by_name"), "{text}");
                assert_eq!(found.table.name, "items", "{text}");
                assert_eq!(found.table.schema.is_some(), table.contains('.'), "{text}");
                assert_eq!(found.if_not_exists, head.contains("exists"), "{text}");
            }
        }
    }
    let blanks =
        created_index("CREATE INDEX \"U one.x\" ON ONLY \"Other one\".t USING btree (a)").unwrap();
    assert_eq!(blanks.name.as_deref(), Some("U one.x"));
    assert_eq!(blanks.table.to_sql(), "\"Other one\".\"t\"");
    assert!(!blanks.concurrently);
    let unnamed = created_index("CREATE INDEX CONCURRENTLY ON t (a)").unwrap();
    assert_eq!((unnamed.name, unnamed.concurrently), (None, true));
    let called_if = created_index("CREATE INDEX if ON t (a)").unwrap();
    assert_eq!(called_if.name.as_deref(), Some("if"));
    for none in [
        "CREATE TABLE i (on INTEGER)",
        "DROP INDEX i",
        "",
        "CREATE INDEX",
        "CREATE VIEW v AS SELECT 1",
    ] {
        assert_eq!(created_index(none), None, "{none}");
    }
}

#[test]
fn what_else_is_done_concurrently_is_told() {
    for written in names("i", Postgres) {
        let text = format!("DROP INDEX CONCURRENTLY IF EXISTS {written}");
        let Some(Concurrently::Drop(index)) = concurrently(&text) else { panic!("{text}") };
        assert_eq!(index.name, "i", "{text}");
        let text = format!("ALTER TABLE ONLY {written} DETACH PARTITION {written} CONCURRENTLY");
        let Some(Concurrently::Detach { table, partition }) = concurrently(&text) else {
            panic!("{text}")
        };
        assert_eq!((&*table.name, &*partition.name), ("i", "i"), "{text}");
    }
    for reindex in ["REINDEX INDEX CONCURRENTLY i", "reindex (concurrently) table t"] {
        assert_eq!(concurrently(reindex), Some(Concurrently::Reindex), "{reindex}");
    }
    for none in ["DROP INDEX i", "REINDEX TABLE t", "ALTER TABLE t DETACH PARTITION c", "SELECT 1"]
    {
        assert_eq!(concurrently(none), None, "{none}");
    }
}

#[test]
fn a_pragma_is_told_with_its_value() {
    for text in [
        "PRAGMA cache_size = 10",
        "pragma main.cache_size(10)",
        "PRAGMA/**/[cache_size]=+10",
        "PRAGMA 'main' . `cache_size` = '10'",
    ] {
        let pragma = pragma(text).unwrap();
        assert_eq!((&*pragma.name, pragma.value.as_deref()), ("cache_size", Some("10")), "{text}");
    }
    assert_eq!(pragma("PRAGMA cache_size").unwrap().value, None);
    assert_eq!(pragma("SELECT 'PRAGMA cache_size = 1'"), None);
}

const TEMPORARY_PATH: &str = "a path that makes what is created temporary";

#[rstest]
#[case("SET search_path TO a", Lasting::Repeatable)]
#[case("set/**/session work_mem = '1MB'", Lasting::Repeatable)]
#[case("SET ROLE a", Lasting::Repeatable)]
#[case("SET SESSION AUTHORIZATION a", Lasting::Repeatable)]
#[case("SET TIME ZONE 'UTC'", Lasting::Repeatable)]
#[case("RESET ALL", Lasting::Repeatable)]
#[case("RESET ROLE", Lasting::Repeatable)]
#[case("DISCARD ALL", Lasting::Repeatable)]
#[case("SELECT set_config('search_path', 'a', false)", Lasting::Repeatable)]
#[case(
    "SELECT pg_catalog.set_config('search_path', '', false) AS x, set_config('a.b', 'c', true)",
    Lasting::Repeatable
)]
#[case("SET LOCAL work_mem = '1MB'", Lasting::Nothing)]
#[case("SET TRANSACTION READ ONLY", Lasting::Nothing)]
#[case("SET CONSTRAINTS ALL DEFERRED", Lasting::Nothing)]
#[case("SELECT 1", Lasting::Nothing)]
#[case("SELECT 'set_config('", Lasting::Nothing)]
#[case("INSERT INTO t VALUES ('SET ROLE a')", Lasting::Nothing)]
#[case("UPDATE t SET a = 1", Lasting::Nothing)]
#[case("CREATE TABLE t (a INTEGER)", Lasting::Nothing)]
#[case("CREATE TABLE temp_t (temporary INTEGER)", Lasting::Nothing)]
#[case(
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT set_config(1, 2, false)'",
    Lasting::Nothing
)]
#[case("CREATE TEMP TABLE t (a INTEGER) ON COMMIT DROP", Lasting::Nothing)]
#[case("DECLARE c CURSOR FOR SELECT 1", Lasting::Nothing)]
#[case("DO $$ BEGIN UPDATE t SET a = 1; PERFORM 1; END $$", Lasting::Nothing)]
#[case(
    "SELECT set_config('search_path', a, false) FROM t",
    Lasting::Lost("a setting that it has worked out")
)]
#[case(
    "SELECT 1, set_config('a.b', current_user, false)",
    Lasting::Lost("a setting that it has worked out")
)]
#[case("CREATE TEMP TABLE t (a INTEGER)", Lasting::Lost("a temporary object"))]
#[case("create /* x */ temporary view v as select 1", Lasting::Lost("a temporary object"))]
#[case("CREATE GLOBAL TEMPORARY TABLE t (a INTEGER)", Lasting::Lost("a temporary object"))]
#[case("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", Lasting::Lost("a temporary object"))]
#[case("CREATE TABLE pg_temp.t (a INTEGER)", Lasting::Lost("a temporary object"))]
#[case("CREATE TABLE \"pg_temp\" . t (a INTEGER)", Lasting::Lost("a temporary object"))]
#[case(
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    Lasting::Lost("a temporary object")
)]
#[case("SELECT 1 AS a INTO TEMP t", Lasting::Lost("a temporary object"))]
#[case("PREPARE q AS SELECT 1", Lasting::Lost("a prepared statement"))]
#[case("LISTEN a", Lasting::Lost("a channel that it listens to"))]
#[case("DECLARE c CURSOR WITH HOLD FOR SELECT 1", Lasting::Lost("a cursor"))]
#[case("SELECT pg_advisory_lock(1)", Lasting::Lost("an advisory lock"))]
#[case("SELECT pg_catalog.pg_try_advisory_lock(1)", Lasting::Lost("an advisory lock"))]
#[case("SELECT pg_advisory_xact_lock(1)", Lasting::Nothing)]
#[case(
    "DO $$ BEGIN PERFORM set_config('a.b', 'c', false); END $$",
    Lasting::Lost("a setting that it has worked out")
)]
#[case("DO $$ BEGIN SET ROLE a; END $$", Lasting::Lost("a setting that is made inside `DO`"))]
#[case(
    "DO 'BEGIN EXECUTE ''SET '' || a; END'",
    Lasting::Lost("a setting that is made inside `DO`")
)]
#[case(
    "DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE t (a int)'; END $$",
    Lasting::Lost("a temporary object")
)]
#[case(
    "DO $$ BEGIN CREATE TABLE \"pg_temp\".t (a int); END $$",
    Lasting::Lost("a temporary object")
)]
#[case(
    "DO E'BEGIN\\nPERFORM set\\137config(''a.b'', \\'c\\', false); END'",
    Lasting::Lost("a setting that it has worked out")
)]
#[case("SELECT 1 AS a INTO pg_temp.t", Lasting::Lost("a temporary object"))]
#[case("SELECT 1 AS a INTO TABLE U&\"pg\\005ftemp\" . t", Lasting::Lost("a temporary object"))]
#[case("SELECT 1 AS a INTO/**/pg_temp_3.t", Lasting::Lost("a temporary object"))]
#[case("(SELECT 1 AS a INTO TEMP t)", Lasting::Lost("a temporary object"))]
#[case("SELECT a INTO t FROM pg_temp_of_mine", Lasting::Nothing)]
#[case("EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", Lasting::Lost("a temporary object"))]
#[case("SET search_path = pg_temp, app", Lasting::Lost(TEMPORARY_PATH))]
#[case("SET LOCAL search_path /* x */ TO \"$user\", 'pg_temp'", Lasting::Lost(TEMPORARY_PATH))]
#[case("SET U&\"search\\005fpath\" = \"pg_temp\"", Lasting::Lost(TEMPORARY_PATH))]
#[case("SET SCHEMA 'pg_temp'", Lasting::Lost(TEMPORARY_PATH))]
#[case("SELECT set_config('search_path', 'pg_temp, app', false)", Lasting::Lost(TEMPORARY_PATH))]
#[case(
    "SELECT set_config('search_path', 'app', false), set_config('search_path', '\"$user\",pg_temp', true)",
    Lasting::Lost(TEMPORARY_PATH)
)]
#[case("SET search_path = app, pg_temp", Lasting::Repeatable)]
#[case("SELECT set_config('search_path', 'app, pg_temp', false)", Lasting::Repeatable)]
#[case("SET application_name = 'pg_temp'", Lasting::Repeatable)]
#[case(
    "UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path'",
    Lasting::Lost("a setting that it has worked out")
)]
#[case(
    "UPDATE ONLY pg_catalog/**/.\"pg_settings\" AS s SET setting = reset_val",
    Lasting::Lost("a setting that it has worked out")
)]
#[case("UPDATE t SET a = (SELECT setting FROM pg_settings LIMIT 1)", Lasting::Nothing)]
#[case(
    "CREATE TABLE t AS SELECT set_config('search_path', 'other', false)",
    Lasting::Lost("a setting that it has worked out")
)]
#[case(
    "CREATE UNLOGGED TABLE IF NOT EXISTS t (a) AS SELECT pg_advisory_lock(1)",
    Lasting::Lost("an advisory lock")
)]
#[case(
    "CREATE MATERIALIZED VIEW v AS SELECT pg_advisory_lock(1)",
    Lasting::Lost("an advisory lock")
)]
#[case("CREATE TABLE t AS SELECT pg_advisory_lock(1) with no data", Lasting::Nothing)]
#[case("CREATE TABLE t (a text DEFAULT set_config('a.b', 'c', false))", Lasting::Nothing)]
#[case("CREATE VIEW v AS SELECT set_config('a.b', 'c', false)", Lasting::Nothing)]
#[case("SELECT setseed(0.5)", Lasting::Lost("the seed of random numbers"))]
#[case("EXPLAIN (ANALYZE) SELECT setseed(0.5)", Lasting::Lost("the seed of random numbers"))]
fn what_postgres_leaves_in_a_connection_is_told(#[case] text: &str, #[case] left: Lasting) {
    assert_eq!(lasting(text, Postgres), left);
}

#[rstest]
#[case("PRAGMA recursive_triggers = ON", Lasting::Repeatable)]
#[case("PRAGMA/**/main.[cache_size](10)", Lasting::Repeatable)]
#[case("ATTACH 'x.db' AS x", Lasting::Repeatable)]
#[case("attach/**/database \"memory.db\" AS x", Lasting::Repeatable)]
#[case("ATTACH 'file:/data/memory.db?cache=shared' AS x", Lasting::Repeatable)]
#[case("ATTACH ':memory:' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH DATABASE /* */ \":memory:\" AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH '' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH NULL AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH 'file::memory:?cache=shared' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH 'FILE:%3Amemory%3a' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH 'file:x?cache=shared&mode=memory' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH 'file:///x?vfs=memdb' AS x", Lasting::Lost(NO_FILE))]
#[case("ATTACH 'file:?mode=rwc' AS x", Lasting::Lost(NO_FILE))]
#[case(
    "ATTACH ':mem' || 'ory:' AS x",
    Lasting::Lost("an attached database whose name it has worked out")
)]
#[case("-- c\nDETACH x", Lasting::Repeatable)]
#[case("PRAGMA user_version = 7", Lasting::Nothing)]
#[case("PRAGMA journal_mode", Lasting::Nothing)]
#[case("SELECT 1", Lasting::Nothing)]
#[case("CREATE TABLE t (temp INTEGER)", Lasting::Nothing)]
#[case("CREATE TEMP TABLE t (a)", Lasting::Lost("a temporary object"))]
#[case("CREATE TABLE temp.t (a)", Lasting::Lost("a temporary object"))]
#[case("CREATE TABLE [temp] . t (a)", Lasting::Lost("a temporary object"))]
#[case("CREATE TABLE 'temp'.t (a)", Lasting::Lost("a temporary object"))]
#[case("CREATE VIEW `TEMP`/**/.\"v\" AS SELECT 1", Lasting::Lost("a temporary object"))]
#[case(
    "CREATE TEMPORARY TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
    Lasting::Lost("a temporary object")
)]
fn what_sqlite_leaves_in_a_connection_is_told(#[case] text: &str, #[case] left: Lasting) {
    assert_eq!(lasting(text, Sqlite), left);
}

const NO_FILE: &str = "an attached database without a file";

#[rstest]
#[case("SET /* c */ CONSTRAINTS U&\"a\\005fB\" -- x", Postgres, &["set", "constraints", "a_b"])]
#[case("DO $$ BEGIN EXECUTE 'RESET /* ''x */ ' || E'\\141LL'; -- no\n END $$", Postgres, &["do", "begin", "execute", "reset", "all", "end"])]
#[case("SELECT 'search_'\n'path', E'a\\'b'\n'_c'", Postgres, &["select", "search_path", "a", "b_c"])]
#[case("SELECT U&'search!005f'\n'path' UESCAPE '!'", Postgres, &["select", "search_path"])]
#[case("SELECT E'\\x61\\u0062\\U00000063\\n\\144\\e''f'", Postgres, &["select", "abc", "de", "f"])]
#[case("SELECT 'it''s RESET ALL'", Postgres, &["select", "it", "s", "reset", "all"])]
#[case("RELEASE/**/SAVEPOINT [One two]", Sqlite, &["release", "savepoint", "one two"])]
#[case("RELEASE 'a'", Sqlite, &["release", "a"])]
fn words_are_told_in_every_spelling(
    #[case] text: &str,
    #[case] dialect: Dialect,
    #[case] words: &[&str],
) {
    assert_eq!(split(text, dialect).unwrap()[0].words(dialect), words, "{text}");
}

#[test]
fn what_nobody_sees_is_named_with_its_line() {
    let letters = "\u{feff}\u{a0}\u{200b}\u{200d}\u{2028}\u{2029}\u{202e}\u{2060}\u{3000}\u{ad}\u{85}\u{1}\u{1b}\u{7f}";
    for dialect in Dialect::ALL {
        for letter in letters.chars() {
            let text = format!("SELECT 1;\n{letter}SELECT 2;");
            let found = invisible(&text, dialect).unwrap();
            assert_eq!((found.line, found.letter), (2, letter), "{text:?}");
            let quoted = format!("SELECT '{letter}' AS \"{letter}\"; -- {letter}\n/* {letter} */");
            assert_eq!(invisible(&quoted, dialect), None, "{quoted:?}");
        }
        assert_eq!(invisible("SELECT\t1,\r\n\u{c}'ß' AS ünï🎬", dialect), None);
    }
    let mark = invisible("SELECT 1;\n\u{feff}SELECT 2", Sqlite).unwrap().to_string();
    assert!(mark.starts_with("a byte order mark (U+FEFF) stands in the SQL on line 2"), "{mark}");
}

#[rstest]
#[case(
    "CREATE INDEX CONCURRENTLY -- fast\n i ON t (a)",
    Some("CREATE INDEX   -- fast\n i ON t (a)")
)]
#[case("DROP INDEX concurrently i", Some("DROP INDEX   i"))]
#[case("ALTER TABLE t DETACH PARTITION c CONCURRENTLY", Some("ALTER TABLE t DETACH PARTITION c  "))]
#[case("REINDEX TABLE CONCURRENTLY t", None)]
#[case("CREATE INDEX i ON t (a)", None)]
fn what_is_done_at_once_is_written_without_the_word(
    #[case] text: &str,
    #[case] plain: Option<&str>,
) {
    assert_eq!(at_once(text).as_deref(), plain);
}

#[test]
fn a_change_is_told_in_every_spelling() {
    let quoted = ["t", "T", "\"t\"", "`t`", "[t]", "'t'", "main.t", "main . \"T\"", "\"main\".[t]"];
    for name in quoted {
        let text = |before: &str, after: &str| format!("{before} {name}{after}");
        for before in ["DROP TABLE", "drop table if exists", "DROP/* x */TABLE -- y\n IF EXISTS"] {
            assert_eq!(
                TableChange::of(&text(before, "")),
                Some(TableChange::Drops("t".to_owned()))
            );
        }
        for before in ["DELETE FROM", "WITH a AS (SELECT 1) DELETE FROM", "delete /* */ from"] {
            for after in ["", " WHERE id = 1", " AS x WHERE x.id IN (SELECT 2)"] {
                let told = TableChange::of(&text(before, after));
                assert_eq!(told, Some(TableChange::Deletes("t".to_owned())), "{before} {name}");
            }
        }
        for after in [" RENAME TO u", " rename to \"U\"", "\nRENAME -- z\nTO [u]"] {
            let told = TableChange::of(&text("ALTER TABLE", after));
            let renames = TableChange::Renames { from: "t".to_owned(), to: "u".to_owned() };
            assert_eq!(told, Some(renames), "{name}{after}");
        }
        for after in [" RENAME a TO b", " RENAME COLUMN a TO b", " ADD a", " DROP COLUMN a"] {
            assert_eq!(TableChange::of(&text("ALTER TABLE", after)), None);
        }
    }
    for other in [
        "DROP TABLE temp.t",
        "delete from \"TEMP\".t",
        "",
        "DROP VIEW t",
        "SELECT 'drop table t'",
        "INSERT INTO t SELECT 1",
        "DROP",
    ] {
        assert_eq!(TableChange::of(other), None, "{other}");
    }
}
