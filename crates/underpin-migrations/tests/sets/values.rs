//! Values that SQLite keeps in any column, whatever its type.

/// Values of every storage class, as SQL.
pub(crate) const VALUES: [&str; 28] = [
    "NULL",
    "0",
    "1",
    "-1",
    "7",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "-0.5",
    "1e300",
    "'12'",
    "' 5 '",
    "'1e3'",
    "'1.50'",
    "'abc'",
    "''",
    "'0x10'",
    "'NULL'",
    "'naïve 文'",
    "'o''brien; --'",
    "x''",
    "x'00ff'",
    "x'3132'",
    "CAST(x'ff00fe' AS TEXT)",
    "9e999",
    "-9e999",
    "0.1 + 0.2",
    LONG,
];
/// What the record of a v0.5.0 file cannot hold exactly, and how it comes back.
pub(crate) const ROUNDED: [(&str, &str); 3] =
    [("9e999", "'Inf'"), ("-9e999", "'-Inf'"), ("0.1 + 0.2", "0.3")];
/// A text that no index of PostgreSQL and no limit of a column would take.
const LONG: &str = "printf('%.100000c', 'x')";

/// The storage class of an SQL value, and all of it.
pub(crate) fn exact(value: &str) -> String {
    format!(
        "typeof({value}) || ' ' || CASE typeof({value}) WHEN 'real' THEN printf('%!.17g', {value}) \
         ELSE hex({value}) END"
    )
}
