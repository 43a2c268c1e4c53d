# deferred constraints

-- alone: deferred constraints
INSERT INTO late VALUES (1, 1)

-- alone: deferred constraints
INSERT INTO late VALUES (1, 404); UPDATE late SET parent = 2

-- alone: SET CONSTRAINTS
SET CONSTRAINTS ALL IMMEDIATE

-- alone: SET CONSTRAINTS
SET CONSTRAINTS ALL DEFERRED; INSERT INTO soon VALUES (1, 1)

-- alone: SET CONSTRAINTS
SET CONSTRAINTS late_parent_fkey IMMEDIATE; INSERT INTO late VALUES (1, 1)

-- alone: SET CONSTRAINTS
DO $$ BEGIN EXECUTE 'SET CONSTRAINTS ALL DEFERRED'; END $$

-- alone: deferred constraints
INSERT INTO soon VALUES (1, 1)

-- alone: deferred constraints
CREATE TABLE ordered (place int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO ordered VALUES (1), (2); UPDATE ordered SET place = 3 - place

-- alone: deferred constraints
CREATE TABLE ring (id int PRIMARY KEY, next int NOT NULL REFERENCES ring DEFERRABLE INITIALLY DEFERRED); INSERT INTO ring VALUES (1, 2), (2, 1)

-- alone: deferred constraints
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON got DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION noted(); INSERT INTO got VALUES ('seen at the end')

CREATE CONSTRAINT TRIGGER at_once AFTER INSERT ON got FOR EACH ROW EXECUTE FUNCTION noted(); INSERT INTO got VALUES ('seen at once')

CREATE TABLE unused (id int REFERENCES grand DEFERRABLE INITIALLY DEFERRED)

-- alone: deferred constraints
CREATE TABLE parted (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parted FOR VALUES IN (1); INSERT INTO parted VALUES (1)

-- alone: deferred constraints
CREATE FUNCTION inserts() RETURNS void LANGUAGE sql AS 'INSERT INTO late VALUES (5, 2)'; SELECT inserts()

-- alone: deferred constraints
CREATE TABLE slots (at int4range, EXCLUDE USING gist (at WITH &&) DEFERRABLE INITIALLY DEFERRED); INSERT INTO slots VALUES ('[1,2)'), ('[2,3)')

-- alone: deferred constraints
ALTER TABLE child ALTER CONSTRAINT child_parent_fkey DEFERRABLE INITIALLY DEFERRED

ALTER TABLE late ALTER CONSTRAINT late_parent_fkey NOT DEFERRABLE; INSERT INTO late VALUES (1, 1)

# enums and types

-- alone: a label of an enum
ALTER TYPE mood ADD VALUE 'glad'

-- alone: a label of an enum
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'sad' BEFORE 'ok'

ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'

CREATE TYPE colour AS ENUM ('red'); CREATE TABLE painted (c colour); INSERT INTO painted VALUES ('red')

CREATE TYPE mood_new AS ENUM ('ok', 'glad'); ALTER TABLE felt ALTER COLUMN m TYPE mood_new USING m::text::mood_new; DROP TYPE mood; ALTER TYPE mood_new RENAME TO mood; INSERT INTO felt VALUES ('glad')

CREATE TYPE pair AS (a int, b text); CREATE TABLE pairs (p pair); INSERT INTO pairs VALUES (ROW (1, 'x')); INSERT INTO got SELECT (p).b FROM pairs

CREATE TYPE pair AS (a int); ALTER TYPE pair ADD ATTRIBUTE b text, ALTER ATTRIBUTE a TYPE bigint

CREATE DOMAIN positive AS int CHECK (VALUE > 0); ALTER TABLE parent ADD COLUMN age positive DEFAULT 7

CREATE DOMAIN short AS text; ALTER DOMAIN short ADD CONSTRAINT short_check CHECK (length(VALUE) < 5) NOT VALID; ALTER DOMAIN short VALIDATE CONSTRAINT short_check

CREATE TYPE span AS RANGE (subtype = int); CREATE TABLE spans (s span); INSERT INTO spans VALUES ('[1,5)')

CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq); INSERT INTO got SELECT ('a' === 'a')::text

CREATE AGGREGATE joined (text) (SFUNC = textcat, STYPE = text, INITCOND = ''); INSERT INTO got SELECT joined(name) FROM parent

CREATE FUNCTION mood_to_int(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (mood AS int) WITH FUNCTION mood_to_int(mood)

CREATE COLLATION by_bytes (LOCALE = 'C'); CREATE TABLE sorted (name text COLLATE by_bytes)

# tables

ALTER TABLE parent ADD COLUMN more text NOT NULL DEFAULT 'x'

ALTER TABLE parent ADD COLUMN at timestamptz DEFAULT now(); UPDATE parent SET at = '2020-01-01 00:00+00'

ALTER TABLE parent ALTER COLUMN id TYPE bigint; ALTER TABLE child ALTER COLUMN parent TYPE bigint

ALTER TABLE parent ADD CONSTRAINT named CHECK (name <> '') NOT VALID; ALTER TABLE parent VALIDATE CONSTRAINT named

ALTER TABLE child DROP CONSTRAINT child_parent_fkey; DELETE FROM parent; ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent NOT VALID

ALTER TABLE parent DISABLE TRIGGER ALL; DELETE FROM parent WHERE id = 2; ALTER TABLE parent ENABLE TRIGGER ALL

CREATE TABLE copied (LIKE parent INCLUDING ALL); INSERT INTO copied SELECT * FROM parent

CREATE TABLE under (more int) INHERITS (parent); INSERT INTO under VALUES (9, 'child', 1)

CREATE TABLE logs (day int, what text) PARTITION BY RANGE (day); CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (1) TO (10); INSERT INTO logs VALUES (1, 'a'); ALTER TABLE logs DETACH PARTITION logs_1

CREATE UNLOGGED TABLE quick (id int); INSERT INTO quick VALUES (1); ALTER TABLE quick SET LOGGED

CREATE TABLE wide (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO wide (a) VALUES (21)

TRUNCATE child; INSERT INTO child VALUES (7, 1)

TRUNCATE parent CASCADE

DROP TABLE child; CREATE TABLE child (id int PRIMARY KEY, parent bigint)

CREATE INDEX names ON parent (lower(name)) WHERE name IS NOT NULL; CLUSTER parent USING parent_pkey

CREATE UNIQUE INDEX names ON parent (name); ALTER TABLE parent ADD CONSTRAINT unique_names UNIQUE USING INDEX names

CREATE STATISTICS related (dependencies) ON id, name FROM parent; ANALYZE parent

REINDEX TABLE parent; REINDEX INDEX child_pkey

CREATE VIEW names AS SELECT name FROM parent; CREATE RULE adds AS ON INSERT TO names DO INSTEAD INSERT INTO parent VALUES (70, new.name); INSERT INTO names VALUES ('by a rule')

CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM parent WITH NO DATA; REFRESH MATERIALIZED VIEW counted; INSERT INTO parent VALUES (8, 'later')

ALTER TABLE parent SET (fillfactor = 70, autovacuum_enabled = off); ALTER TABLE parent REPLICA IDENTITY FULL; ALTER TABLE parent ALTER COLUMN name SET STORAGE EXTERNAL

COMMENT ON TABLE parent IS 'those who have children'; COMMENT ON COLUMN parent.name IS E'a\nb'; COMMENT ON CONSTRAINT child_parent_fkey ON child IS 'a reference'

DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA %I IS %L', current_schema(), 'a tenant'); END $$

MERGE INTO parent USING (VALUES (1, 'merged'), (9, 'new')) AS s (id, name) ON parent.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)

WITH gone AS (DELETE FROM child RETURNING *) INSERT INTO got SELECT count(*)::text FROM gone

INSERT INTO parent VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id

DO $$ BEGIN EXECUTE format('CREATE PUBLICATION %I FOR TABLE parent', current_schema() || '_told'); END $$

# functions, triggers, code

DO $$ BEGIN INSERT INTO parent VALUES (1, 'again'); EXCEPTION WHEN unique_violation THEN INSERT INTO got VALUES ('caught'); END $$

DO $$ BEGIN SET LOCAL work_mem = '1MB'; RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN INSERT INTO got VALUES (current_setting('work_mem')); END $$

DO $$ BEGIN SET work_mem = '1MB'; BEGIN SET work_mem = '2MB'; RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; INSERT INTO got VALUES (current_setting('work_mem')); END $$

DO $$ BEGIN BEGIN CREATE TABLE lost (id int); INSERT INTO child VALUES (99, 404); EXCEPTION WHEN foreign_key_violation THEN NULL; END; CREATE TABLE made (id int); END $$

DO $$ DECLARE one record; BEGIN FOR one IN SELECT * FROM parent LOOP EXECUTE format('CREATE TABLE of_%s (id int)', one.id); END LOOP; END $$

DO LANGUAGE plpgsql $x$ BEGIN PERFORM pg_sleep(0.01); RAISE NOTICE 'said'; END $x$

CREATE TRIGGER notes AFTER INSERT OR DELETE ON child FOR EACH ROW EXECUTE FUNCTION noted(); DELETE FROM child WHERE id = 1

CREATE TRIGGER notes AFTER TRUNCATE ON child EXECUTE FUNCTION noted(); TRUNCATE child

CREATE TRIGGER notes AFTER UPDATE ON parent REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION noted(); UPDATE parent SET name = name || '!'

ALTER TABLE got DISABLE TRIGGER USER; CREATE TRIGGER always BEFORE INSERT ON got FOR EACH ROW EXECUTE FUNCTION noted(); ALTER TABLE got ENABLE ALWAYS TRIGGER always

CREATE FUNCTION recursive(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 7 AS $$ BEGIN RETURN CASE WHEN n = 0 THEN 0 ELSE n + recursive(n - 1) END; END $$; CREATE INDEX sums ON parent (recursive(id)); INSERT INTO got SELECT recursive(4)::text

CREATE FUNCTION atomic(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n + 1; END; INSERT INTO got SELECT atomic(1)::text

CREATE FUNCTION raises() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never called'; END $$; ALTER FUNCTION raises() OWNER TO pg_monitor; REVOKE EXECUTE ON FUNCTION raises() FROM PUBLIC

CREATE OR REPLACE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$

CREATE EXTENSION IF NOT EXISTS plpgsql; LOAD 'plpgsql'

DO $$ BEGIN EXECUTE format('CREATE FUNCTION sees() RETURNS event_trigger LANGUAGE plpgsql AS %L', format('BEGIN IF current_schema() = %L THEN INSERT INTO %I.got VALUES (tg_tag); END IF; END', current_schema(), current_schema())); EXECUTE format('CREATE EVENT TRIGGER %I ON ddl_command_end EXECUTE FUNCTION sees()', current_schema() || '_sees'); END $$; CREATE TABLE told (id int)

DO $$ BEGIN EXECUTE format('CREATE FUNCTION sees() RETURNS event_trigger LANGUAGE plpgsql AS %L', format('BEGIN INSERT INTO %I.got VALUES (tg_tag); END', current_schema())); EXECUTE format('CREATE EVENT TRIGGER %I ON sql_drop EXECUTE FUNCTION sees()', current_schema() || '_drops'); DROP TABLE child; EXECUTE format('DROP EVENT TRIGGER %I', current_schema() || '_drops'); END $$

# the transaction itself

-- alone: the number of the transaction
INSERT INTO got SELECT (txid_current() > 0)::text

-- alone: the number of the transaction
CREATE TABLE by_transaction (id xid8 PRIMARY KEY DEFAULT pg_current_xact_id()); INSERT INTO by_transaction DEFAULT VALUES; ALTER TABLE by_transaction ALTER id DROP DEFAULT; UPDATE by_transaction SET id = '7'

-- alone: the time of the transaction
DELETE FROM stamped WHERE at < now()

-- alone: the time of the transaction
INSERT INTO got SELECT count(*)::text FROM stamped WHERE at >= current_timestamp

-- alone: the time of the transaction
UPDATE stamped SET old = true WHERE transaction_timestamp() > at

CREATE TABLE later (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), day date DEFAULT current_date)

CREATE VIEW old AS SELECT id FROM stamped WHERE at < now() - interval '1 day'

INSERT INTO got SELECT (clock_timestamp() > '2020-01-01')::text

CREATE FUNCTION touches() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.at := now(); RETURN new; END $$; CREATE TRIGGER touches BEFORE UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION touches()

SELECT pg_current_wal_lsn(), pg_is_in_recovery(), version()

SHOW ALL; SHOW search_path; EXPLAIN SELECT * FROM parent; VALUES (1), (2); TABLE parent

SELECT 1; ; SELECT ';' AS "a;b"; /* ; */ SELECT $a$ ; $a$; -- ;

CHECKPOINT
