//! What a statement of SQLite does to a whole table, told by its words.

use underpin_catalog::{Dialect, statement::normalise};

/// What a statement does to a whole table. Names are in lower case, as SQLite compares them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Drops(String),
    Renames {
        from: String,
        to: String,
    },
    /// Takes rows away on purpose.
    Deletes(String),
}

impl Change {
    pub(super) fn of(statement: &str) -> Option<Self> {
        let words = words(&normalise(statement, Dialect::Sqlite));
        let mut words = words.iter().map(String::as_str).peekable();
        match (words.next()?, words.peek().copied()?) {
            ("drop", "table") => {
                let name = name(words.skip(1).skip_while(|word| ["if", "exists"].contains(word)))?;
                Some(Self::Drops(name.0))
            }
            ("alter", "table") => {
                let (from, mut rest) = name(words.skip(1))?;
                match (rest.next()?, rest.next()?) {
                    ("rename", "to") => Some(Self::Renames { from, to: rest.next()?.to_owned() }),
                    _ => None,
                }
            }
            ("delete", "from") => Some(Self::Deletes(name(words.skip(1))?.0)),
            ("with", _) => {
                let mut rest = words.skip_while(|word| *word != "delete").skip(1);
                (rest.next()? == "from").then_some(())?;
                Some(Self::Deletes(name(rest)?.0))
            }
            _ => None,
        }
    }
}

/// The name at the front, without its schema, and what follows it.
fn name<'w>(
    mut words: impl Iterator<Item = &'w str>,
) -> Option<(String, impl Iterator<Item = &'w str>)> {
    let mut name = words.next()?;
    let mut next = words.next();
    if next == Some(".") {
        name = words.next()?;
        next = words.next();
    }
    Some((name.to_owned(), next.into_iter().chain(words)))
}

/// The words of a normalised statement: names without their quotes, every other character by itself.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let end = match first {
            '"' | '`' | '\'' => Some(first),
            '[' => Some(']'),
            _ => None,
        };
        let mut word = String::new();
        if let Some(end) = end {
            while let Some(c) = chars.next() {
                if c == end && (end == ']' || chars.next_if_eq(&end).is_none()) {
                    break;
                }
                word.push(c);
            }
        } else if first.is_alphanumeric() || first == '_' {
            word.push(first);
            let within = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '$');
            while let Some(c) = chars.next_if(within) {
                word.push(c);
            }
        } else if first.is_whitespace() {
            continue;
        } else {
            word.push(first);
        }
        words.push(word.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn a_change_is_told_in_every_spelling() {
        let quoted =
            ["t", "T", "\"t\"", "`t`", "[t]", "'t'", "main.t", "main . \"T\"", "\"main\".[t]"];
        for name in quoted {
            let text = |before: &str, after: &str| format!("{before} {name}{after}");
            for before in
                ["DROP TABLE", "drop table if exists", "DROP/* x */TABLE -- y\n IF EXISTS"]
            {
                assert_eq!(Change::of(&text(before, "")), Some(Change::Drops("t".to_owned())));
            }
            for before in ["DELETE FROM", "WITH a AS (SELECT 1) DELETE FROM", "delete /* */ from"] {
                for after in ["", " WHERE id = 1", " AS x WHERE x.id IN (SELECT 2)"] {
                    let told = Change::of(&text(before, after));
                    assert_eq!(told, Some(Change::Deletes("t".to_owned())), "{before} {name}");
                }
            }
            for after in [" RENAME TO u", " rename to \"U\"", "\nRENAME -- z\nTO [u]"] {
                let told = Change::of(&text("ALTER TABLE", after));
                let renames = Change::Renames { from: "t".to_owned(), to: "u".to_owned() };
                assert_eq!(told, Some(renames), "{name}{after}");
            }
            for after in [" RENAME a TO b", " RENAME COLUMN a TO b", " ADD a", " DROP COLUMN a"] {
                assert_eq!(Change::of(&text("ALTER TABLE", after)), None);
            }
        }
        for other in ["", "DROP VIEW t", "SELECT 'drop table t'", "INSERT INTO t SELECT 1", "DROP"]
        {
            assert_eq!(Change::of(other), None, "{other}");
        }
    }
}
