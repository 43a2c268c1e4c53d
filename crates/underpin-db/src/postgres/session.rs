//! SQL that takes a session in hand: it makes one as its connection began, and sets what our own
//! statements count on.
//!
//! All of it may run while a stranger's schema comes first in the search path, so each function and
//! operator in it is named with its schema.

use std::fmt::Write as _;

/// What our own statements count on. Nothing in the path can stand in for a function, an operator,
/// a cast or a type of the server; tables are named with their schema.
const OWN: [(&str, &str); 10] = [
    // The driver speaks nothing else, and reads what the server says as that.
    ("client_encoding", "UTF8"),
    // Unless it is named last, the schema of temporary objects comes first.
    ("search_path", "pg_catalog, pg_temp"),
    // A policy that would hide rows is an error.
    ("row_security", "off"),
    ("TimeZone", "UTC"),
    // How the server writes values, definitions and literals.
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("quote_all_identifiers", "off"),
    ("xmlbinary", "base64"),
];

/// Settings of newer servers that hold for all that a session does: the server looks every second
/// whether we are still there, and ends what it does for us when we are not; and it does not end a
/// session that waits for us.
const NEWER: [(&str, &str); 4] = [
    ("client_connection_check_interval", "1000"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
];

/// What a connection starts with in place of what the role or the database say: the splitter and the
/// server must agree where a string ends, and a transaction must be what the engine takes it for.
pub(crate) const PINNED: &str = "-c standard_conforming_strings=on \
     -c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off \
     -c default_transaction_deferrable=off";

/// The statement that sets what our own statements count on. `local` is SQL that says whether for the
/// transaction alone.
pub(crate) fn own(local: &str) -> String {
    set(OWN.into_iter(), local)
}

/// The statement that sets all of `settings`.
pub(crate) fn set<'s>(settings: impl Iterator<Item = (&'s str, &'s str)>, local: &str) -> String {
    let one = |(name, value): (&str, &str)| {
        format!("pg_catalog.set_config({}, {}, {local})", literal(name), literal(value))
    };
    format!("SELECT {}", settings.map(one).collect::<Vec<_>>().join(", "))
}

/// A text as SQL that means the same whatever `standard_conforming_strings` and `client_encoding` say: the
/// server reads a whole message by the encoding of its session before it runs the first statement of it, so
/// letters that are not ASCII travel as bytes.
pub(crate) fn literal(text: &str) -> String {
    if !text.is_ascii() {
        let bytes = text.bytes().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        });
        return format!("pg_catalog.convert_from(E'\\\\x{bytes}', 'UTF8')");
    }
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// The statements that set what no connection can start with on every server.
pub(crate) fn held(local: &str) -> [String; 2] {
    let values = NEWER.map(|(name, value)| format!("('{name}', '{value}')")).join(", ");
    [
        format!(
            "SELECT pg_catalog.set_config(name, value, {local}) FROM (VALUES {values}) AS s (name, value) \
             WHERE pg_catalog.current_setting(name, true) IS NOT NULL"
        ),
        // Foreign keys and triggers are part of what is promised, and [`triggers`] has found that we may; so is
        // that what is told is on the disk.
        format!(
            "SELECT pg_catalog.set_config(name, value, {local}) FROM (VALUES \
             ('session_replication_role', 'origin', 'replica'), ('session_replication_role', 'origin', 'local'), \
             ('synchronous_commit', 'on', 'off')) AS s (name, value, found) WHERE \
             pg_catalog.current_setting(name) OPERATOR(pg_catalog.=) found"
        ),
    ]
}

/// The statement that lets triggers and foreign keys work, and says what to do where the role may not.
pub(crate) fn triggers(local: &str) -> String {
    let body = format!(
        "BEGIN IF pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'origin' \
         THEN BEGIN PERFORM pg_catalog.set_config('session_replication_role', 'origin', {local}); \
         EXCEPTION WHEN insufficient_privilege THEN RAISE EXCEPTION USING ERRCODE = '{NO_TRIGGERS}', \
         MESSAGE = 'this role starts with session_replication_role = replica, which switches triggers and foreign \
         keys off, and may not change that', HINT = 'take the setting back with ALTER ROLE ... RESET \
         session_replication_role (or ALTER DATABASE), or GRANT SET ON PARAMETER session_replication_role'; \
         END; END IF; END"
    );
    format!("DO {}", literal(&body))
}

/// The code, of our own making, for a session in which neither triggers nor foreign keys work.
const NO_TRIGGERS: &str = "UL003";

/// What a service's own connection begins with: the settings of our own statements, and the schemas of its path
/// behind that of the server, for its statements do not name the schema of a table. `local` is SQL that says
/// whether for the transaction alone.
pub(crate) fn served(local: &str) -> String {
    let path = "pg_catalog.concat_ws(', ', 'pg_catalog', (SELECT pg_catalog.string_agg(\
         pg_catalog.quote_ident(p.name), ', ' ORDER BY p.number USING OPERATOR(pg_catalog.<)) FROM \
         pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS p (name, number) WHERE \
         p.name OPERATOR(pg_catalog.<>) 'pg_catalog'), 'pg_temp')";
    let path = format!("SELECT pg_catalog.set_config('search_path', {path}, {local})");
    let others = set(OWN.into_iter().filter(|(name, _)| *name != "search_path"), local);
    [triggers(local), path, others].into_iter().chain(held(local)).collect::<Vec<_>>().join(";\n")
}

/// SQL that says whether another process than `announced` answers, as behind a pooler, who would keep for others
/// what is set for a session.
pub(crate) fn is_another(announced: i32) -> String {
    format!("(pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.<>) {announced})")
}

/// The role that the connection was opened for.
pub(crate) const AUTHORIZATION: [&str; 2] =
    ["SET LOCAL SESSION AUTHORIZATION DEFAULT", "SET LOCAL role TO DEFAULT"];

/// The statements that make the session as its connection began, also in a transaction: what
/// `DISCARD ALL` does, which cannot run in one, and what it forgets, the seed of random numbers.
///
/// A pooler keeps prepared statements of its own on its connections, which must stay.
pub(crate) fn as_new(pooled: bool) -> Vec<String> {
    let statements = [
        "CLOSE ALL",
        "SET SESSION AUTHORIZATION DEFAULT",
        "RESET role",
        "RESET ALL",
        if pooled { DEALLOCATE } else { "DEALLOCATE ALL" },
        "UNLISTEN *",
        "SELECT pg_catalog.pg_advisory_unlock_all()",
        "DISCARD PLANS",
        "DISCARD TEMP",
        "DISCARD SEQUENCES",
        SEED,
    ];
    statements.map(str::to_owned).to_vec()
}

/// Makes random numbers random again, which `setseed` has settled.
const SEED: &str = "SELECT pg_catalog.setseed(pg_catalog.float8div(pg_catalog.hashtext(\
     pg_catalog.clock_timestamp()::pg_catalog.text)::pg_catalog.float8, '2147483648'::pg_catalog.float8))";

/// Ends the prepared statements that SQL made.
const DEALLOCATE: &str = "DO 'DECLARE one pg_catalog.text; BEGIN FOR one IN SELECT p.name FROM \
     pg_catalog.pg_prepared_statements AS p WHERE p.from_sql LOOP EXECUTE \
     pg_catalog.format(''DEALLOCATE %I'', one); END LOOP; END'";

/// The process that answers, whether its server only reads, and the schema that is current; with each
/// schema of the path that exists, also one that the role may not use. The server passes over such a schema
/// without a word (`current_schemas`), and the history may be in it.
///
/// The names are read as the server reads them: what is quoted as it is, anything else in lower case, and
/// `$user` is the role.
pub(crate) const ASK: &str = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), \
     pg_catalog.current_schema(), p.name FROM (SELECT 1) AS one LEFT JOIN \
     (SELECT n.nspname AS name, pg_catalog.min(w.number) AS number FROM \
     (SELECT CASE WHEN pg_catalog.starts_with(m.found[1], '\"') THEN \
     pg_catalog.replace(pg_catalog.regexp_replace(m.found[1], '^\"|\"$', '', 'g'), '\"\"', '\"') ELSE \
     pg_catalog.translate(m.found[1], 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END AS text, \
     m.number FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'), \
     '\"(?:[^\"]|\"\")*\"|[^\",[:space:]][^,[:space:]]*', 'g') WITH ORDINALITY AS m (found, number)) AS w \
     JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) CAST(CASE WHEN w.text \
     OPERATOR(pg_catalog.=) '$user' THEN CAST(current_user AS pg_catalog.text) ELSE w.text END AS \
     pg_catalog.name) GROUP BY n.nspname) AS p ON true ORDER BY p.number USING OPERATOR(pg_catalog.<)";

/// Lets the first question be answered whatever the role or the database say of time.
pub(crate) const IN_ANY_TIME: &str = "SET LOCAL statement_timeout TO 0";

/// Sets for the transaction where names are looked up by default, and says it twice: what a pooler's
/// session has now, another client may have left there. And says whether a session begins with other settings
/// than [`PINNED`], which a pooler refuses or forgets, so that a statement outside a transaction that is ours
/// cannot be what it says.
pub(crate) const DEFAULT_PATH: &str = "SELECT s.reset_val, pg_catalog.set_config('search_path', s.reset_val, \
     true), EXISTS (SELECT FROM pg_catalog.pg_settings AS o WHERE \
     (o.name OPERATOR(pg_catalog.=) 'default_transaction_read_only' AND o.reset_val OPERATOR(pg_catalog.=) 'on') OR \
     (o.name OPERATOR(pg_catalog.=) 'standard_conforming_strings' AND o.reset_val OPERATOR(pg_catalog.=) 'off')) \
     FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'search_path'";

/// What a pooler keeps for each of its clients: what `RESET ALL` made of it, the pooler would take for
/// the client's wish. The driver speaks UTF-8 alone.
pub(crate) fn kept_by_pooler() -> String {
    set([("client_encoding", "UTF8"), ("standard_conforming_strings", "on")].into_iter(), "false")
}

/// Keeps for [`give_back`] what [`AUTHORIZATION`] and [`own`] change.
pub(crate) fn keep() -> String {
    let names = ["session_authorization", "role"].into_iter().chain(OWN.map(|(name, _)| name));
    let pair = |name: &str| format!("'{name}', pg_catalog.current_setting('{name}')");
    let pairs = names.map(pair).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT pg_catalog.set_config('underpin.kept', pg_catalog.json_build_object({pairs})::pg_catalog.text, true)"
    )
}

/// Sets again, for the transaction, what [`keep`] kept.
pub(crate) const GIVE_BACK: &str = "SELECT pg_catalog.set_config(k.key, k.value, true) FROM \
     pg_catalog.json_each_text(pg_catalog.current_setting('underpin.kept')::pg_catalog.json) AS k";

#[cfg(test)]
mod tests {
    use super::{ASK, literal, own, served};

    #[test]
    fn our_own_statements_are_read_the_same_in_every_encoding() {
        for (text, sql) in [
            ("it's", "'it''s'"),
            ("a\\b", "E'a\\\\b'"),
            ("имя", r"pg_catalog.convert_from(E'\\xd0b8d0bcd18f', 'UTF8')"),
            ("é'\\", r"pg_catalog.convert_from(E'\\xc3a9275c', 'UTF8')"),
        ] {
            assert_eq!(literal(text), sql);
        }
        for statement in [own("true"), served("false")] {
            assert!(statement.contains("'client_encoding', 'UTF8'"), "{statement}");
        }
        assert!(ASK.is_ascii() && !ASK.contains('\\'), "where strings end is not settled yet");
    }
}
