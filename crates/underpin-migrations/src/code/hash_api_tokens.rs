//! `hash_api_tokens/1`: of each API token only its hash and its first characters stay.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use sha2::{Digest as _, Sha256};
use underpin_db::{CodeFuture, Conn, DbError, Dialect};

/// Rows that one statement writes.
const BATCH: usize = 1000;

pub(super) fn run(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(hash(conn))
}

async fn hash(conn: &mut Conn) -> Result<(), DbError> {
    let tokens = read(conn, "SELECT id, token_hash AS value FROM api_tokens").await?;
    let keys =
        "SELECT id, row_key AS value FROM bot_recovered_values WHERE table_name = 'api_tokens'";
    let keys = read(conn, keys).await?;
    let hashed = Hashed::of(tokens);
    hashed.write(conn).await?;
    write_keys(conn, &hashed.keys(keys)).await?;
    match conn.dialect() {
        Dialect::Sqlite => scrub(conn).await,
        Dialect::Postgres => rewrite(conn).await,
    }
}

/// The bytes of one column of one row. In an SQLite file they may be no UTF-8.
struct Row {
    id: i64,
    value: Vec<u8>,
}

/// Reads `id` and `value`, which travels as hexadecimal digits, so that no byte of it matters.
async fn read(conn: &mut Conn, query: &str) -> Result<Vec<Row>, DbError> {
    let digits = match conn.dialect() {
        Dialect::Sqlite => "hex(value)",
        Dialect::Postgres => "encode(convert_to(value, 'UTF8'), 'hex')",
    };
    let lines = format!("SELECT id || ' ' || {digits} FROM ({query}) AS listed ORDER BY id");
    let lines = conn.texts(&lines).await?;
    let rows: Option<Vec<_>> = lines.iter().map(|line| parse(line)).collect();
    // What was found is not told: it may be a token.
    rows.ok_or_else(|| DbError {
        message: "expected an id and hexadecimal digits".to_owned(),
        ..DbError::default()
    })
}

fn parse(line: &str) -> Option<Row> {
    let (id, digits) = line.split_once(' ')?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let value = (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    Some(Row { id: id.parse().ok()?, value })
}

/// How a token is stored: `sha256:` and 64 lower-case hexadecimal digits.
fn stored(token: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(token)))
}

fn is_stored(value: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    value.strip_prefix(b"sha256:").is_some_and(|hash| hash.len() == 64 && hash.iter().all(digit))
}

/// The first eight characters, so that people can tell tokens apart; of a short token half of it,
/// which does not give it away.
fn preview(token: &[u8]) -> String {
    let token = String::from_utf8_lossy(token);
    token.chars().take((token.chars().count() / 2).min(8)).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// What becomes of each token that changes.
struct Hashed {
    clear: Vec<(Row, String)>,
    /// Stored already, but the hash is that of a token which is here in clear as well: after a
    /// `down.sql` somebody may have issued the same token again. Such a row is hashed once more,
    /// because no row is dropped and no two have one hash.
    again: Vec<(Row, String)>,
}

impl Hashed {
    fn of(tokens: Vec<Row>) -> Self {
        let (kept, clear): (Vec<_>, Vec<_>) =
            tokens.into_iter().partition(|row| is_stored(&row.value));
        let mut taken = HashSet::with_capacity(kept.len() + clear.len());
        let with_form = |row: Row, taken: &mut _| {
            let form = free(&row.value, taken);
            (row, form)
        };
        let clear = clear.into_iter().map(|row| with_form(row, &mut taken)).collect();
        let mut again = Vec::new();
        for row in kept {
            if !taken.insert(row.value.clone()) {
                again.push(with_form(row, &mut taken));
            }
        }
        Self { clear, again }
    }

    async fn write(&self, conn: &mut Conn) -> Result<(), DbError> {
        // The newest first: each leaves the hash that one before it takes.
        for (Row { id, .. }, form) in self.again.iter().rev() {
            let set = format!("UPDATE api_tokens SET token_hash = '{form}' WHERE id = {id}");
            conn.batch(&set).await?;
        }
        for rows in self.clear.chunks(BATCH) {
            let dialect = conn.dialect();
            let values = rows.iter().map(|(Row { id, value }, form)| {
                format!("({id}, '{form}', {})", literal(&preview(value), dialect))
            });
            conn.batch(&format!(
                "WITH new (id, token_hash, preview) AS (VALUES {}) UPDATE api_tokens SET \
                 token_hash = new.token_hash, preview = new.preview FROM new \
                 WHERE api_tokens.id = new.id",
                values.collect::<Vec<_>>().join(", ")
            ))
            .await?;
        }
        Ok(())
    }

    /// The keys that change, of records that name their row by its token. The token may be gone by
    /// now. A record that was made when v0.6.0 was mapped names its row by its id.
    fn keys(&self, keys: Vec<Row>) -> Vec<(i64, String)> {
        let changed = self.clear.iter().chain(&self.again);
        let changed: HashMap<_, _> = changed.map(|(row, form)| (&row.value, form)).collect();
        let is_id = |key: &[u8]| str::from_utf8(key).is_ok_and(|key| key.parse::<i64>().is_ok());
        let form = |row: Row| match changed.get(&row.value) {
            Some(&form) => Some((row.id, form.clone())),
            None if is_stored(&row.value) || is_id(&row.value) => None,
            None => Some((row.id, stored(&row.value))),
        };
        keys.into_iter().filter_map(form).collect()
    }
}

/// The stored form of `value`, hashed again as often as somebody else has it.
fn free(value: &[u8], taken: &mut HashSet<Vec<u8>>) -> String {
    let mut form = stored(value);
    while !taken.insert(form.clone().into_bytes()) {
        form = stored(form.as_bytes());
    }
    form
}

async fn write_keys(conn: &mut Conn, keys: &[(i64, String)]) -> Result<(), DbError> {
    for keys in keys.chunks(BATCH) {
        let values = keys.iter().map(|(id, form)| format!("({id}, '{form}')"));
        conn.batch(&format!(
            "WITH new (id, row_key) AS (VALUES {}) UPDATE bot_recovered_values SET \
             row_key = new.row_key FROM new WHERE bot_recovered_values.id = new.id",
            values.collect::<Vec<_>>().join(", ")
        ))
        .await?;
    }
    Ok(())
}

/// A text as SQL, whatever is in it.
fn literal(text: &str, dialect: Dialect) -> String {
    let digits = hexadecimal(text.as_bytes());
    match dialect {
        Dialect::Sqlite => format!("CAST(x'{digits}' AS TEXT)"),
        Dialect::Postgres => format!("convert_from(decode('{digits}', 'hex'), 'UTF8')"),
    }
}

/// SQLite: overwrites the pages that nothing uses, where earlier migrations left tokens, and takes
/// back the samples that `ANALYZE` made of them. `VACUUM` would, but not inside a transaction.
async fn scrub(conn: &mut Conn) -> Result<(), DbError> {
    const PIECE: i64 = 16;
    let samples = "SELECT name FROM sqlite_schema WHERE name IN ('sqlite_stat3', 'sqlite_stat4')";
    for table in conn.texts(samples).await? {
        conn.batch(&format!("DELETE FROM {table}")).await?;
    }
    let free = "SELECT CAST(freelist_count AS TEXT) FROM pragma_freelist_count";
    let free: i64 = conn.text(free).await?.and_then(|pages| pages.parse().ok()).unwrap_or_default();
    // Takes as many pages as are free, full of zeros, and gives them back.
    conn.batch(&format!(
        "PRAGMA secure_delete = ON;
         CREATE TABLE underpin_scrub (zeros BLOB);
         INSERT INTO underpin_scrub
         WITH RECURSIVE piece (number) AS
             (SELECT 0 UNION ALL SELECT number + 1 FROM piece WHERE number < {pieces})
         SELECT zeroblob({PIECE} * (SELECT page_size FROM pragma_page_size)) FROM piece;
         DROP TABLE underpin_scrub;",
        pieces = free / PIECE
    ))
    .await
}

/// PostgreSQL: writes both tables anew, without the rows as they were before, which would stay until
/// they are vacuumed, and without the samples that `ANALYZE` made of them.
async fn rewrite(conn: &mut Conn) -> Result<(), DbError> {
    conn.batch(
        "ALTER TABLE api_tokens ALTER COLUMN token_hash TYPE TEXT USING token_hash || '';
         ALTER TABLE bot_recovered_values ALTER COLUMN row_key TYPE TEXT USING row_key || ''",
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    type Forms = Vec<(i64, String)>;

    /// Of tokens with the ids 1, 2, …: what was clear, and what is hashed again.
    fn hashed(tokens: &[&str]) -> (Forms, Forms) {
        let row = |(id, value): (i64, &&str)| Row { id, value: value.as_bytes().to_vec() };
        let Hashed { clear, again } = Hashed::of((1..).zip(tokens).map(row).collect());
        let forms = |rows: Vec<(Row, String)>| {
            rows.into_iter().map(|(row, form)| (row.id, form)).collect::<Forms>()
        };
        (forms(clear), forms(again))
    }

    #[test]
    fn a_token_is_stored_as_its_hash() {
        // The test vectors of FIPS 180-2.
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

        assert_eq!(hashed(&["", "abc"]).0, [(1, empty.to_owned()), (2, abc.to_owned())]);
        assert!(is_stored(abc.as_bytes()));
        for other in [&abc.to_uppercase(), &abc[1..], &abc[..70], &format!("{abc}0"), "sha256:"] {
            assert!(!is_stored(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_preview_never_gives_a_token_away() {
        for (token, expected) in [
            ("", ""),
            ("a", ""),
            ("1234567", "123"),
            ("12345678", "1234"),
            ("123456789012345", "1234567"),
            ("1234567890123456", "12345678"),
            ("12345678901234567890", "12345678"),
            ("ünï — cödé 文字列です", "ünï — cö"),
        ] {
            assert_eq!(preview(token.as_bytes()), expected, "{token}");
        }
    }

    /// Whoever has the token keeps the hash; the row that had it before is kept as well.
    #[test]
    fn no_two_rows_come_to_have_one_hash() {
        let once = stored(b"abc");
        let twice = stored(once.as_bytes());
        let thrice = stored(twice.as_bytes());

        assert_eq!(hashed(&[&once]), (vec![], vec![]));
        let (clear, again) = hashed(&[&once, &twice, "abc"]);
        assert_eq!(clear, [(3, once)]);
        assert_eq!(again, [(1, twice), (2, thrice)]);
    }
}
