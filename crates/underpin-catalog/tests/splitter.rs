//! The statement splitter: a corpus of what is hard, and properties of any text.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use proptest::prelude::*;
use rstest::rstest;
use underpin_catalog::{Dialect, statement::split};
use underpin_testkit::TestDb;

fn texts(script: &str, dialect: Dialect) -> Vec<&str> {
    split(script, dialect).unwrap().iter().map(|one| one.text).collect()
}

#[rstest]
#[case::nothing("", &[])]
#[case::blanks(" \n\t;;\r\n ; -- only this\n/* and this */", &[])]
#[case::no_last_semicolon("SELECT 1", &["SELECT 1"])]
#[case::a_string("SELECT 'a;b'; SELECT 'it''s;'", &["SELECT 'a;b'", "SELECT 'it''s;'"])]
#[case::a_name("SELECT 1 AS \"a;\"\"b\"; SELECT 2", &["SELECT 1 AS \"a;\"\"b\"", "SELECT 2"])]
#[case::a_line_comment("SELECT 1 -- no; end\n; SELECT 2", &["SELECT 1", "SELECT 2"])]
#[case::a_block_comment("SELECT /* ; */ 1; SELECT 2", &["SELECT /* ; */ 1", "SELECT 2"])]
#[case::comments_around("-- a\nSELECT 1 /* b */ ; -- c", &["SELECT 1"])]
#[case::line_ends("SELECT 1;\r\nSELECT 2;\r\n", &["SELECT 1", "SELECT 2"])]
#[case::a_mark("\u{feff}SELECT 1;", &["SELECT 1"])]
#[case::parentheses("CREATE TABLE a (b TEXT DEFAULT (';'));SELECT 1", &["CREATE TABLE a (b TEXT DEFAULT (';'))", "SELECT 1"])]
#[case::a_case("SELECT CASE WHEN 1 THEN 2 END; SELECT 3", &["SELECT CASE WHEN 1 THEN 2 END", "SELECT 3"])]
#[case::line_ends_in_a_statement("SELECT 1,\r\n 2;\r\nSELECT 3", &["SELECT 1,\r\n 2", "SELECT 3"])]
#[case::comments_in_strings("SELECT '--'; SELECT '/*'; SELECT '*/'", &["SELECT '--'", "SELECT '/*'", "SELECT '*/'"])]
#[case::quotes_in_comments("SELECT 1 -- it's\n; /* \" ' */ SELECT 2", &["SELECT 1", "SELECT 2"])]
#[case::letters_of_all_kinds("SELECT 'ß;🎬' AS ünï; SELECT 2", &["SELECT 'ß;🎬' AS ünï", "SELECT 2"])]
fn both_dialects_split_alike(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] script: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(texts(script, dialect), expected);
}

#[rstest]
#[case::a_trigger(
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; DELETE FROM c; END; SELECT 1",
    2
)]
#[case::a_case_in_it(
    "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE WHEN 1 THEN 2 ELSE 3 END; END; SELECT 1",
    2
)]
#[case::a_condition(
    "CREATE TRIGGER IF NOT EXISTS t BEFORE UPDATE ON a WHEN CASE WHEN new.b THEN 1 END BEGIN SELECT 1; END; SELECT 1",
    2
)]
#[case::a_quoted_end_in_it(
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = new.\"end\"; SELECT 'END;'; END; SELECT 1",
    2
)]
#[case::names_that_are_words(
    "CREATE TRIGGER t AFTER UPDATE ON e BEGIN UPDATE e SET d = new.end - new.start; END; SELECT 1",
    2
)]
#[case::a_column_begin(
    "CREATE TRIGGER t AFTER UPDATE ON e WHEN new.begin > 0 BEGIN UPDATE e SET begin = 1; END; SELECT 1",
    2
)]
#[case::a_table_trigger("CREATE TABLE trigger (begin INTEGER); COMMIT", 2)]
#[case::brackets("SELECT 1 AS [a;b]; SELECT `c;d` FROM e", 2)]
#[case::quotes_in_brackets("SELECT 1 AS [it's;]; SELECT 1 AS `\"``;`", 2)]
#[case::a_table_called_trigger("CREATE TABLE trigger_log (a); BEGIN; SELECT 1; END", 4)]
#[case::dollars_are_nothing_here("SELECT $a; SELECT $b", 2)]
#[case::comments_do_not_nest("SELECT 1 /* /* */; SELECT 2", 2)]
#[case::the_end_closes_a_comment("SELECT 1; /* never closed", 1)]
fn sqlite_has_its_own_rules(#[case] script: &str, #[case] count: usize) {
    assert_eq!(texts(script, Dialect::Sqlite).len(), count, "{:?}", texts(script, Dialect::Sqlite));
}

#[rstest]
#[case::dollars(
    "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; RETURN 1; END $$ LANGUAGE plpgsql; SELECT 1",
    2
)]
#[case::a_tag("DO $do$ BEGIN PERFORM '$$;'; END $do$; SELECT 1", 2)]
#[case::a_tag_in_a_tag("SELECT $a$ ; $b$ ; $$ ; $a$; SELECT 1", 2)]
#[case::comments_and_quotes_in_dollars("SELECT $$ /* -- ' ; $$; SELECT 1", 2)]
#[case::dollars_in_quotes("SELECT '$$;', \"$a$;\"; SELECT '$$'", 2)]
#[case::dollars_in_comments("SELECT 1 -- $$\n; SELECT /* $$; */ 2", 2)]
#[case::a_tag_of_other_letters("SELECT $tür$ ; $tür$; SELECT 1", 2)]
#[case::parameters("SELECT $1; SELECT $2", 2)]
#[case::a_dollar_in_a_name("SELECT a$b$c; SELECT $x$;$x$", 2)]
#[case::nested_comments("SELECT 1 /* a /* b; */ c; */; SELECT 2", 2)]
#[case::escapes(r"SELECT E'it\'s;'; SELECT e'\\'; SELECT 1", 3)]
#[case::other_prefixes("SELECT U&'a;', B'1', X'f', N';'; SELECT U&\"a;b\"", 2)]
#[case::a_backtick_quotes_nothing("SELECT 1 ` 2; SELECT 3", 2)]
#[case::a_backslash_is_a_letter(r"SELECT 'c:\'; SELECT 2", 2)]
#[case::atomic(
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 1",
    2
)]
#[case::rules(
    "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; DELETE FROM c); SELECT 1",
    2
)]
#[case::a_name_begin(
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT e.begin, 1 AS end FROM e; END; SELECT 1",
    2
)]
#[case::a_name_atomic("CREATE TABLE a (atomic INTEGER); COMMIT; SELECT 2", 3)]
#[case::a_lone_return_ends_a_comment("SELECT 1 -- a\r; COMMIT; -- b\nSELECT 2", 3)]
#[case::a_string_that_goes_on("SELECT E'a'\n'it\\'s; x'; SELECT 2", 2)]
#[case::rows_of_a_copy("COPY t FROM stdin;\n1\tit's; me\n\\.\n\nSELECT 1;", 1)]
#[case::a_command_of_psql("\\restrict it's\nSELECT 1; SELECT 2", 3)]
#[case::a_name_of_numbers("SELECT U&\"a\\003b;\" ; SELECT U&';' UESCAPE '!'", 2)]
#[case::an_array("SELECT ARRAY[1,2]; SELECT a[1] FROM b", 2)]
fn postgres_has_its_own_rules(#[case] script: &str, #[case] count: usize) {
    let found = texts(script, Dialect::Postgres);
    assert_eq!(found.len(), count, "{found:?}");
}

#[test]
fn a_statement_knows_where_it_begins() {
    let script = "\u{feff}-- ß\r\nSELECT 1;\r\n\r\n/* a\n */ SELECT '\n'; SELECT 2";

    for dialect in Dialect::ALL {
        let found = split(script, dialect).unwrap();

        let places: Vec<_> = found.iter().map(|one| (one.line, one.offset)).collect();
        let at = |text| script.find(text).unwrap();
        assert_eq!(places, [(2, at("SELECT 1")), (5, at("SELECT '")), (6, at("SELECT 2"))]);
    }
}

#[rstest]
#[case(
    "SELECT 1;\n\nSELECT 'open",
    Dialect::Sqlite,
    "a string that begins on line 3 does not end: close it"
)]
#[case(
    "SELECT \"open",
    Dialect::Postgres,
    "a quoted name that begins on line 1 does not end: close it"
)]
#[case("/* /* */", Dialect::Postgres, "a comment that begins on line 1 does not end: close it")]
#[case(
    "\nSELECT $a$ $b$",
    Dialect::Postgres,
    "a dollar-quoted string that begins on line 2 does not end: close it"
)]
#[case(
    "SELECT 1;\0SELECT 2",
    Dialect::Sqlite,
    "a NUL character: the rest of the script that begins on line 1 does not end: close it"
)]
fn what_does_not_end_is_named(#[case] script: &str, #[case] dialect: Dialect, #[case] text: &str) {
    assert_eq!(split(script, dialect).unwrap_err().to_string(), text);
}

const SQLITE: &str = include_str!("data/sqlite.sql");
const POSTGRES: &str = include_str!("data/postgres.sql");

/// Run one by one, the statements make what the database makes of the whole script.
#[rstest]
#[case::sqlite(Dialect::Sqlite, SQLITE)]
#[case::sqlite_windows(Dialect::Sqlite, &SQLITE.replace('\n', "\r\n"))]
#[case::postgres(Dialect::Postgres, POSTGRES)]
#[case::postgres_windows(Dialect::Postgres, &POSTGRES.replace('\n', "\r\n"))]
fn the_pieces_do_what_the_whole_does(#[case] dialect: Dialect, #[case] script: &str) {
    let (whole, pieces) = (TestDb::new(dialect), TestDb::new(dialect));

    whole.batch(script);
    for statement in split(script, dialect).unwrap() {
        pieces.batch(statement.text);
    }

    let objects = match dialect {
        Dialect::Sqlite => "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
        Dialect::Postgres => {
            "SELECT proname || prosrc || coalesce(pg_get_function_sqlbody(oid), '') FROM pg_proc \
             WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        }
    };
    assert!(whole.texts(objects).len() > 2);
    assert_eq!(pieces.texts(objects), whole.texts(objects));
    assert_eq!(pieces.dump(), whole.dump());
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Sqlite), Just(Dialect::Postgres)]
}

/// Text that is likely to be hard: pieces of SQL in any order.
fn hard() -> impl Strategy<Value = String> {
    let pieces = [
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "$1",
        "--",
        "/*",
        "*/",
        ";",
        "\n",
        "\r\n",
        "(",
        ")",
        "BEGIN",
        "END",
        "CASE",
        "CREATE TRIGGER",
        "ATOMIC",
        "CREATE",
        "e'",
        "\\",
        " ",
        "x",
        "\u{feff}",
        "\0",
        "ß",
        "🎬",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40)
        .prop_map(|parts| parts.concat())
}

/// Whole statements, valid for both dialects.
fn statements() -> impl Strategy<Value = Vec<&'static str>> {
    let some = [
        "SELECT 1",
        "SELECT ';' || 'it''s'",
        "INSERT INTO \"a;b\" VALUES (1, '--', '/*')",
        "CREATE TABLE t (a TEXT DEFAULT (';'), b INTEGER)",
        "SELECT CASE WHEN 1 = 1 THEN 'BEGIN' ELSE 'END' END",
        "UPDATE t SET a = 'x' -- why;\n WHERE b = 1",
    ];
    proptest::collection::vec(proptest::sample::select(some.to_vec()), 0..8)
}

/// Whole statements for SQLite, each of which may follow any other; `number` keeps names apart.
fn sqlite_statement(number: usize, which: usize) -> String {
    match which {
        0 => format!("CREATE TABLE [t;{number}] (`a;` TEXT DEFAULT ';', \"b;\" INTEGER)"),
        1 => format!(
            "CREATE TRIGGER r{number} AFTER INSERT ON log WHEN CASE WHEN new.n > 0 THEN 1 END BEGIN\n\
             UPDATE log SET line = CASE n WHEN 1 THEN 'END;' ELSE 'it''s; BEGIN' END; -- END;\n\
             DELETE FROM log WHERE line = '/*'; END"
        ),
        2 => format!(
            "CREATE VIEW v{number} AS SELECT line AS \"x\"\";\" FROM log WHERE line <> '--;'"
        ),
        3 => format!("INSERT INTO log VALUES ({number}, 'it''s; /*')"),
        4 => format!("CREATE INDEX i{number} ON log (CASE WHEN n > 1 THEN ';' END, /* ; */ line)"),
        _ => format!("UPDATE log SET line = line || ';\r\n' WHERE n < {number} -- no;\n"),
    }
}

fn sqlite_script() -> impl Strategy<Value = String> {
    let between = [";", ";\n", " ;;\r\n", "; -- no; it's\n", ";/* ; ' */\n", ";\u{feff}"];
    let part = (0_usize..6, proptest::sample::select(between.to_vec()));
    proptest::collection::vec(part, 1..8).prop_map(|parts| {
        let numbered = parts.into_iter().enumerate();
        let texts = numbered.map(|(number, (which, end))| sqlite_statement(number, which) + end);
        format!("CREATE TABLE log (n INTEGER, line TEXT);{}", texts.collect::<String>())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sqlite_makes_the_same_of_the_pieces_and_the_whole(script in sqlite_script()) {
        let (whole, pieces) = (TestDb::new(Dialect::Sqlite), TestDb::new(Dialect::Sqlite));

        whole.batch(&script);
        for statement in split(&script, Dialect::Sqlite).unwrap() {
            pieces.batch(statement.text);
        }

        // SQLite keeps the blanks before a semicolon as part of an index's text.
        let objects = "SELECT type || name || rtrim(sql) FROM sqlite_schema ORDER BY 1";
        prop_assert_eq!(pieces.texts(objects), whole.texts(objects));
        prop_assert_eq!(pieces.dump(), whole.dump());
    }
}

proptest! {
    /// Without comments nothing but blanks, semicolons and marks may be lost, whoever judges it.
    #[test]
    fn no_letter_is_lost(text in prop_oneof![hard(), any::<String>()], dialect in dialects()) {
        let text = text.replace("--", "").replace("/*", "");
        prop_assume!(!text.contains("--") && !text.contains("/*"));
        let Ok(found) = split(&text, dialect) else { return Ok(()) };
        let mut at = 0;
        for one in found.iter().map(Some).chain([None]) {
            let (start, end) = one.map_or((text.len(), text.len()), |one| {
                (one.offset, one.offset + one.text.len())
            });
            let lost = |c: char| c.is_whitespace() || c == ';' || c == '\u{feff}';
            prop_assert!(text[at..start].chars().all(lost), "{:?}", &text[at..start]);
            at = end;
        }
    }

    #[test]
    fn any_text_is_split_or_refused(
        text in prop_oneof![hard(), any::<String>()], dialect in dialects()
    ) {
        let Ok(found) = split(&text, dialect) else { return Ok(()) };
        let mut at = 0;
        for one in &found {
            prop_assert_eq!(&text[one.offset..one.offset + one.text.len()], one.text);
            prop_assert_eq!(one.line, 1 + text[..one.offset].matches('\n').count());
            let between = &text[at..one.offset];
            prop_assert_eq!(split(between, dialect).map(|rest| rest.len()), Ok(0), "{:?}", between);
            at = one.offset + one.text.len();
        }
        prop_assert_eq!(split(&text[at..], dialect).map(|rest| rest.len()), Ok(0));
    }

    #[test]
    fn a_statement_is_one_statement(text in hard(), dialect in dialects()) {
        for one in split(&text, dialect).unwrap_or_default() {
            let again = split(one.text, dialect).unwrap();
            prop_assert_eq!(again.len(), 1, "{:?}", one.text);
            prop_assert_eq!((again[0].text, again[0].kind), (one.text, one.kind));
        }
    }

    #[test]
    fn what_was_joined_comes_apart_again(
        some in statements(), dialect in dialects(),
        between in proptest::sample::select(vec![";", ";\n", " ; -- no;\n", ";/* ; */", ";\r\n;"])
    ) {
        let script = some.join(between);
        prop_assert_eq!(texts(&script, dialect), some);
    }
}
