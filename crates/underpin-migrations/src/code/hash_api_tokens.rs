//! `hash_api_tokens/1`: of each API token only its hash and its first characters stay.
//!
//! A token that `down.sql` has locked opens nothing in an older program. Here it becomes what it was:
//! its hash, its preview, and whether and when it was revoked. Every database on which this function ran
//! before it knew that form had no such token, so that the function keeps its number.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use sha2::{Digest as _, Sha256};
use underpin_db::{CodeFuture, Conn, DbError, Dialect};

/// Rows that one statement writes.
const BATCH: usize = 1000;
/// Bytes of a token as it is stored.
const FORM: usize = 71;

pub(super) fn run(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(hash(conn))
}

async fn hash(conn: &mut Conn) -> Result<(), DbError> {
    let tokens = read(conn, "SELECT id, token_hash AS value FROM api_tokens").await?;
    let keys =
        "SELECT id, row_key AS value FROM bot_recovered_values WHERE table_name = 'api_tokens'";
    let keys = read(conn, keys).await?;
    let hashed = Hashed::of(tokens.into_iter().map(Token::of).collect());
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
    let lines =
        format!("SELECT CAST(id AS TEXT) || ' ' || {digits} FROM ({query}) AS listed ORDER BY id");
    let lines = conn.texts(&lines).await?;
    let rows: Option<Vec<_>> = lines.iter().map(|line| parse(line)).collect();
    // What was found is not told: it may be a token.
    rows.ok_or_else(|| DbError {
        message: "expected an id and hexadecimal digits".to_owned(),
        ..DbError::default()
    })
}

/// A token as it is in the database.
struct Token {
    row: Row,
    /// What an earlier `down.sql` has made of it.
    locked: Option<Locked>,
}

/// A token that `down.sql` has locked: `<preview> sha256:<hash> active`, or `revoked` and the time.
struct Locked {
    preview: Vec<u8>,
    hash: Vec<u8>,
    is_active: bool,
    revoked_at: Option<i64>,
}

impl Token {
    fn of(row: Row) -> Self {
        let locked = Locked::read(&row.value);
        Self { row, locked }
    }

    /// The stored form that it has, when it has one.
    fn stored(&self) -> Option<&[u8]> {
        match &self.locked {
            Some(locked) => Some(&locked.hash),
            None => Some(&*self.row.value).filter(|value| is_stored(value)),
        }
    }
}

impl Locked {
    /// Reads from the end, for a preview may hold anything.
    fn read(value: &[u8]) -> Option<Self> {
        let mut words = value.rsplitn(3, |byte| *byte == b' ');
        let (last, before, rest) = (words.next()?, words.next()?, words.next()?);
        let at = str::from_utf8(last).ok().and_then(|digits| digits.parse().ok());
        let (state, head) = match at {
            Some(_) => (before, rest),
            None => (last, &value[..rest.len() + 1 + before.len()]),
        };
        let is_active = match state {
            b"active" => true,
            b"revoked" => false,
            _ => return None,
        };
        let (preview, hash) = head.split_at_checked(head.len().checked_sub(FORM)?)?;
        let preview = preview.strip_suffix(b" ")?.to_vec();
        is_stored(hash).then(|| Self { preview, hash: hash.to_vec(), is_active, revoked_at: at })
    }
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
    locked: Vec<(Row, Locked, String)>,
    /// Stored already, but the hash is that of another token: after a `down.sql` somebody may have
    /// issued the same token again. Such a row is hashed once more, because no row is dropped and no
    /// two have one hash.
    again: Vec<(Row, String)>,
    /// Rows with the hash of a hash. They open nothing, or whoever read the hash would have a token.
    revoked: Vec<i64>,
}

impl Hashed {
    fn of(tokens: Vec<Token>) -> Self {
        let (kept, clear): (Vec<_>, Vec<_>) =
            tokens.into_iter().partition(|token| token.stored().is_some());
        let mut taken = HashSet::with_capacity(kept.len() + clear.len());
        let clear = clear.into_iter().map(|Token { row, .. }| {
            let form = free(&row.value, &mut taken);
            (row, form)
        });
        let clear = clear.collect();
        let (mut locked, mut again, mut revoked) = (Vec::new(), Vec::new(), Vec::new());
        // Those that nobody locked first: they have their hash already.
        let (locked_ones, open): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|token| token.locked.is_some());
        for Token { row, .. } in open {
            if !taken.insert(row.value.clone()) {
                revoked.push(row.id);
                let form = free(&row.value, &mut taken);
                again.push((row, form));
            }
        }
        for token in locked_ones {
            let Token { row, locked: Some(state) } = token else { continue };
            let form = if taken.insert(state.hash.clone()) {
                String::from_utf8_lossy(&state.hash).into_owned()
            } else {
                revoked.push(row.id);
                free(&state.hash, &mut taken)
            };
            locked.push((row, state, form));
        }
        Self { clear, locked, again, revoked }
    }

    async fn write(&self, conn: &mut Conn) -> Result<(), DbError> {
        // The newest first: each leaves the hash that one before it takes.
        for (Row { id, .. }, form) in self.again.iter().rev() {
            let set = format!("UPDATE api_tokens SET token_hash = '{form}' WHERE id = {id}");
            conn.batch(&set).await?;
        }
        let dialect = conn.dialect();
        for rows in self.locked.chunks(BATCH) {
            conn.batch(&unlock(rows, dialect)).await?;
        }
        for rows in self.clear.chunks(BATCH) {
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
        for ids in self.revoked.chunks(BATCH) {
            let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
            let now = match dialect {
                Dialect::Sqlite => "unixepoch()",
                Dialect::Postgres => "floor(extract(epoch FROM now()))::bigint",
            };
            conn.batch(&format!(
                "UPDATE api_tokens SET is_active = FALSE, revoked_at = coalesce(revoked_at, {now}) \
                 WHERE id IN ({})",
                ids.join(", ")
            ))
            .await?;
        }
        Ok(())
    }

    /// The keys that change, of records that name their row by its token. The token may be gone by
    /// now. A record that was made when v0.6.0 was mapped may name its row by its id.
    fn keys(&self, keys: Vec<Row>) -> Vec<(i64, String)> {
        let changed = self.clear.iter().chain(&self.again).map(|(row, form)| (&row.value, form));
        let changed = changed.chain(self.locked.iter().map(|(row, _, form)| (&row.value, form)));
        let changed: HashMap<_, _> = changed.collect();
        let is_id = |key: &[u8]| str::from_utf8(key).is_ok_and(|key| key.parse::<i64>().is_ok());
        let form = |row: Row| match (changed.get(&row.value), Locked::read(&row.value)) {
            (Some(&form), _) => Some((row.id, form.clone())),
            (None, Some(locked)) => {
                Some((row.id, String::from_utf8_lossy(&locked.hash).into_owned()))
            }
            (None, None) if is_stored(&row.value) || is_id(&row.value) => None,
            (None, None) => Some((row.id, stored(&row.value))),
        };
        keys.into_iter().filter_map(form).collect()
    }
}

/// What makes locked tokens what they were. One that an older program has made active stays so.
fn unlock(rows: &[(Row, Locked, String)], dialect: Dialect) -> String {
    let values = rows.iter().map(|(Row { id, .. }, locked, form)| {
        let preview = literal(&String::from_utf8_lossy(&locked.preview), dialect);
        let at = locked.revoked_at.map_or_else(|| "NULL".to_owned(), |at| at.to_string());
        let is_active = if locked.is_active { "TRUE" } else { "FALSE" };
        format!("({id}, '{form}', {preview}, {is_active}, CAST({at} AS BIGINT))")
    });
    format!(
        "WITH new (id, token_hash, preview, is_active, revoked_at) AS (VALUES {}) \
         UPDATE api_tokens SET token_hash = new.token_hash, preview = new.preview, \
         is_active = api_tokens.is_active OR new.is_active, \
         revoked_at = CASE WHEN NOT api_tokens.is_active THEN new.revoked_at END \
         FROM new WHERE api_tokens.id = new.id",
        values.collect::<Vec<_>>().join(", ")
    )
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
        let tokens = (1..).zip(tokens).map(row).map(Token::of).collect();
        let Hashed { clear, again, .. } = Hashed::of(tokens);
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

    #[test]
    fn a_locked_token_is_read_from_its_end() {
        let hash = stored(b"abc");
        for preview in ["", "abc", "a b", " sha256:", "active", "1 2", "日本語", "revoked 5"] {
            for (state, is_active, revoked_at) in [
                ("active", true, None),
                ("active 7", true, Some(7)),
                ("revoked", false, None),
                ("revoked 1795253321", false, Some(1_795_253_321)),
                ("revoked -1", false, Some(-1)),
            ] {
                let text = format!("{preview} {hash} {state}");

                let locked = Locked::read(text.as_bytes()).unwrap();

                assert_eq!((locked.preview, locked.hash), (preview.into(), hash.clone().into()));
                assert_eq!(
                    (locked.is_active, locked.revoked_at),
                    (is_active, revoked_at),
                    "{text}"
                );
            }
        }
        let other = [
            String::new(),
            hash.clone(),
            format!("{hash} active"),
            format!(" {hash}"),
            format!(" {hash} active "),
            format!(" {hash} Active"),
            format!(" {hash} revoked 1.5"),
            format!(" {} active", &hash[1..]),
            format!(" {} active", hash.to_uppercase()),
            "a token that is active".to_owned(),
        ];
        for text in other {
            assert!(Locked::read(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    /// Whoever locked it and whoever has it in clear: no row is dropped, and the clear one keeps the hash.
    #[test]
    fn a_locked_token_gives_way_to_one_that_was_issued_again() {
        let once = stored(b"abc");
        let lock = |hash: &str| format!("ab {hash} active");
        let forms = |tokens: &[&str]| {
            let row = |(id, value): (i64, &&str)| Row { id, value: value.as_bytes().to_vec() };
            let hashed = Hashed::of((1..).zip(tokens).map(row).map(Token::of).collect());
            let locked = hashed.locked.into_iter().map(|(row, _, form)| (row.id, form));
            locked.collect::<Forms>()
        };

        assert_eq!(forms(&[&lock(&once)]), [(1, once.clone())]);
        let twice = stored(once.as_bytes());
        assert_eq!(forms(&[&lock(&once), "abc"]), [(1, twice.clone())]);
        assert_eq!(forms(&[&lock(&once), &once]), [(1, twice)]);
    }
}
