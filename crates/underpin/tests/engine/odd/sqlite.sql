# temporary objects

CREATE TEMP TABLE stage AS SELECT * FROM parent; UPDATE parent SET name = (SELECT 'staged' FROM stage LIMIT 1)

CREATE TEMP TABLE IF NOT EXISTS stage (id INTEGER); INSERT INTO stage SELECT id FROM parent

CREATE TEMP TABLE child AS SELECT 7 AS id, 1 AS parent

CREATE TEMP TABLE [child] ([id] INTEGER PRIMARY KEY) WITHOUT ROWID

CREATE TEMP TABLE checked (id INTEGER CHECK (id > 0), more AS (id * 2) STORED); INSERT INTO checked VALUES (1)

CREATE TEMP VIEW child AS SELECT 1 AS id; SELECT * FROM child

CREATE TEMP VIEW named (a, b) AS SELECT id, name FROM main.parent

CREATE TEMP TRIGGER stops BEFORE DELETE ON main.child BEGIN SELECT RAISE(ABORT, 'not that one'); END

CREATE TEMP TRIGGER adds AFTER INSERT ON main.parent BEGIN INSERT INTO child VALUES (new.id + 70, new.id); END; INSERT INTO main.parent (id) VALUES (7)

CREATE TEMP VIEW v AS SELECT * FROM main.parent; CREATE TEMP TRIGGER instead INSTEAD OF INSERT ON v BEGIN INSERT INTO parent VALUES (new.id, new.name); END; INSERT INTO v VALUES (8, 'through it')

CREATE TEMP TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO a DEFAULT VALUES; DELETE FROM a

CREATE TEMP TABLE indexed (a, b); CREATE UNIQUE INDEX temp.i ON indexed (a); CREATE INDEX temp.j ON indexed (b) WHERE b IS NOT NULL

CREATE TEMP TABLE a (id INTEGER PRIMARY KEY); CREATE TEMP TABLE b (a INTEGER REFERENCES a (id) ON DELETE CASCADE); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)

CREATE TEMP TABLE like_sqlite (name); CREATE TEMP TABLE "odd ""name""" (id)

CREATE TEMP TABLE stage (id); ALTER TABLE stage RENAME TO parent; ALTER TABLE temp.parent ADD COLUMN more

CREATE TEMP TABLE stage (id); DROP TABLE stage; CREATE TEMP TABLE stage (other)

CREATE TEMP TABLE stage AS WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i, hex(randomblob(50)) AS much FROM n

CREATE VIRTUAL TABLE temp.words USING fts5(word); INSERT INTO words VALUES ('a word'); SELECT * FROM words WHERE words MATCH 'word'

CREATE VIRTUAL TABLE temp.boxes USING rtree(id, x1, x2); INSERT INTO boxes VALUES (1, 0, 1)

CREATE TEMP TABLE seen (what, how); INSERT INTO seen VALUES ('not that one', 1)

# pragmas in other spellings

PRAGMA RECURSIVE_TRIGGERS = 1

PRAGMA main.cache_size(-77)

PRAGMA/**/[recursive_triggers]/**/=/**/'on'

PRAGMA "case_sensitive_like" (yes)

PRAGMA temp.cache_size = 9; PRAGMA cache_size = 7; PRAGMA cache_size = -7

PRAGMA recursive_triggers = ON; PRAGMA recursive_triggers = OFF; PRAGMA recursive_triggers = TRUE

PRAGMA ignore_check_constraints = 1; INSERT INTO parent VALUES (9, '')

PRAGMA legacy_alter_table = ON; ALTER TABLE parent RENAME COLUMN name TO called; ALTER TABLE parent RENAME COLUMN called TO name

PRAGMA reverse_unordered_selects = ON; UPDATE parent SET name = (SELECT id FROM child)

PRAGMA user_version = 77

PRAGMA application_id = 77

PRAGMA optimize; PRAGMA shrink_memory; PRAGMA incremental_vacuum(1)

PRAGMA table_info(parent); PRAGMA foreign_key_check; PRAGMA integrity_check; PRAGMA index_list('child')

PRAGMA trusted_schema = OFF; CREATE VIEW trusted AS SELECT random() AS r

PRAGMA secure_delete = ON; DELETE FROM child WHERE id = 2

PRAGMA defer_foreign_keys = OFF; INSERT INTO child VALUES (5, 2)

# rows and definitions

INSERT INTO parent (name) VALUES ('a'), ('b') RETURNING id; UPDATE parent SET name = last_insert_rowid() WHERE name = 'b'

CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, n); INSERT INTO counted (n) VALUES (1), (2); DELETE FROM counted WHERE id = 2

INSERT INTO parent VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET name = excluded.name

INSERT OR IGNORE INTO parent VALUES (1, 'ignored'); REPLACE INTO child VALUES (1, 2)

CREATE TABLE strict_one (id INTEGER PRIMARY KEY, t TEXT NOT NULL) STRICT; INSERT INTO strict_one VALUES (1, 'x')

CREATE TABLE keyed (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO keyed VALUES (1, 2)

CREATE TABLE made (id INTEGER PRIMARY KEY, at TEXT DEFAULT (typeof(CURRENT_TIMESTAMP)), day TEXT DEFAULT (length(date('now')))); INSERT INTO made (id) VALUES (1)

ALTER TABLE parent ADD COLUMN more INTEGER NOT NULL DEFAULT 7; ALTER TABLE parent DROP COLUMN more

ALTER TABLE child RENAME TO kid; ALTER TABLE kid RENAME TO child

CREATE INDEX partial ON child (parent) WHERE parent > 1; CREATE INDEX of_it ON parent (upper(name)); ANALYZE; REINDEX

CREATE VIEW both AS SELECT p.id, c.id AS child FROM parent AS p JOIN child AS c ON c.parent = p.id; SELECT * FROM both

CREATE TRIGGER t AFTER UPDATE ON parent BEGIN UPDATE child SET parent = new.id WHERE parent = old.id; END; UPDATE parent SET name = 'told' WHERE id = 1

CREATE TRIGGER cycles AFTER UPDATE ON parent WHEN new.name <> 'xxx' BEGIN UPDATE parent SET name = name || 'x' WHERE id = new.id AND length(name) < 3; END; UPDATE parent SET name = 'x' WHERE id = 1

WITH gone AS (SELECT id FROM child WHERE parent = 1) DELETE FROM child WHERE id IN (SELECT id FROM gone)

CREATE VIRTUAL TABLE texts USING fts5(body); INSERT INTO texts VALUES ('one word')

CREATE TABLE "odd name" ("a b" TEXT, [c;d] TEXT); INSERT INTO "odd name" VALUES (';', '--')

SELECT 1; ; SELECT ';' AS "a;b"; /* ; */ SELECT 'x'; -- ;

EXPLAIN SELECT * FROM parent; EXPLAIN QUERY PLAN SELECT * FROM child; VALUES (1), (2)

# only outside a transaction

-- outside
ATTACH ':memory:' AS "other db"; CREATE TABLE "other db".parent (id); INSERT INTO "other db".parent VALUES (7)

-- outside
ATTACH '' AS other; DETACH other; ATTACH ':memory:' AS other

-- outside
BEGIN; INSERT INTO parent (id) VALUES (70); SAVEPOINT a; INSERT INTO parent (id) VALUES (71); ROLLBACK TO a; COMMIT

-- outside
PRAGMA foreign_keys = OFF; DELETE FROM child; PRAGMA foreign_keys = ON

-- outside
PRAGMA synchronous = OFF; VACUUM

-- outside
PRAGMA journal_mode = TRUNCATE; PRAGMA locking_mode = NORMAL; CREATE TEMP TABLE parent (id)
