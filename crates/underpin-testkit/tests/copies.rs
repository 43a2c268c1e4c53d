//! A copy of a database is what the database is, also in the middle of a transaction.

use underpin_db::{Access, ConnectOptions};
use underpin_testkit::{Dialect, TestDb, block_on};

/// A transaction that outgrows its cache writes to the file before it commits, as a process does that is
/// killed within a commit.
#[test]
fn sqlite_a_copy_has_the_journal_that_makes_it_whole() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
         INSERT INTO t SELECT i, hex(randomblob(100)) FROM n",
    );
    let before = db.texts("SELECT sum(length(text)) || '' FROM t");
    let copy = block_on(async || {
        let options = ConnectOptions { access: Access::ReadWrite, ..ConnectOptions::default() };
        let mut conn = db.database_url().connect(&options).await.unwrap();
        let change = "PRAGMA cache_size = 5; BEGIN; UPDATE t SET text = 'x' || text; DELETE FROM t WHERE id % 3 = 0";
        conn.batch(change).await.unwrap();
        assert!(db.dir().join("test.db-journal").exists());
        TestDb::copy_of(&db.file())
    });

    assert_eq!(copy.texts("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(copy.texts("SELECT sum(length(text)) || '' FROM t"), before);
}
