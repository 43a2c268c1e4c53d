# temporary objects

CREATE TEMP TABLE stage AS SELECT * FROM parent; INSERT INTO got SELECT name FROM stage

CREATE TEMPORARY TABLE parent (id int, more text); INSERT INTO parent VALUES (7, 'not that one')

CREATE TEMP TABLE IF NOT EXISTS stage AS SELECT count(*) AS n FROM parent; INSERT INTO got SELECT n::text FROM stage

CREATE TABLE pg_temp.parent (id int); INSERT INTO parent VALUES (7)

CREATE TEMP TABLE dropped (id int) ON COMMIT DROP; INSERT INTO dropped VALUES (1); INSERT INTO got SELECT id::text FROM dropped

CREATE TEMP TABLE emptied (id int) ON COMMIT DELETE ROWS; INSERT INTO emptied VALUES (1)

CREATE TEMP TABLE kept (id int) ON COMMIT PRESERVE ROWS; INSERT INTO kept VALUES (1)

SELECT * INTO TEMP stage FROM parent

CREATE TEMP VIEW parent AS SELECT 7 AS id, 'not that one' AS name

CREATE TEMP RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 3; INSERT INTO got SELECT sum(n)::text FROM counted

CREATE TEMP TABLE stage (id int); CREATE VIEW over_stage AS SELECT * FROM stage

CREATE FUNCTION pg_temp.shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)'; INSERT INTO got SELECT pg_temp.shout(name) FROM parent

CREATE FUNCTION pg_temp.fills() RETURNS int LANGUAGE sql AS 'SELECT 7'; CREATE TABLE filled (id int DEFAULT pg_temp.fills()); INSERT INTO filled DEFAULT VALUES

CREATE TYPE pg_temp.odd AS ENUM ('a', 'b'); CREATE TEMP TABLE odd_ones (o pg_temp.odd)

CREATE DOMAIN pg_temp.positive AS int CHECK (VALUE > 0); CREATE TABLE held (n pg_temp.positive, m int)

CREATE TEMP SEQUENCE numbers; INSERT INTO got SELECT nextval('numbers')::text

CREATE TEMP TABLE counted (id serial PRIMARY KEY, of text); INSERT INTO counted (of) SELECT name FROM parent

CREATE TEMP TABLE a (id int PRIMARY KEY); CREATE TEMP TABLE b (a int REFERENCES a); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)

CREATE TEMP TABLE many (id int) PARTITION BY LIST (id); CREATE TEMP TABLE one PARTITION OF many FOR VALUES IN (1); INSERT INTO many VALUES (1)

CREATE TEMP TABLE under () INHERITS (parent); INSERT INTO under VALUES (77, 'of a temporary child')

CREATE TEMP TABLE __diesel_schema_migrations (version text); INSERT INTO __diesel_schema_migrations VALUES ('0003')

CREATE TEMP TABLE underpin_history (id bigint, set_name text, version text)

CREATE TEMP TABLE pg_class (oid oid, relname text)

CREATE TEMP TABLE stage (id int); CREATE INDEX stage_id ON stage (id); CREATE TRIGGER t AFTER INSERT ON stage FOR EACH ROW EXECUTE FUNCTION noted(); INSERT INTO stage VALUES (1)

CREATE TEMP TABLE stage (id int); DISCARD TEMP; CREATE TEMP TABLE stage (other int)

CREATE TEMP TABLE stage (id int); DROP TABLE stage

DO $$ BEGIN CREATE TEMP TABLE stage (id int); EXECUTE 'CREATE TEMP VIEW got AS SELECT 1 AS what'; END $$

CREATE TEMP TABLE big AS SELECT n, repeat('x', 3000) AS much FROM generate_series(1, 500) AS s (n); CREATE UNLOGGED TABLE unlogged AS SELECT count(*) FROM big

# prepared statements, cursors, plans

PREPARE one AS SELECT 1

PREPARE adds (text) AS INSERT INTO got VALUES ($1); EXECUTE adds ('by a prepared one'); EXECUTE adds ('again')

PREPARE "Odd ""name""" AS SELECT 1; PREPARE two AS SELECT 2; DEALLOCATE two

PREPARE one AS SELECT * FROM parent; EXECUTE one; ALTER TABLE parent ADD COLUMN more int; DEALLOCATE ALL; PREPARE one AS SELECT more FROM parent

DECLARE seen CURSOR FOR SELECT * FROM parent; FETCH 1 FROM seen

DECLARE held CURSOR WITH HOLD FOR SELECT * FROM parent

DECLARE held BINARY SCROLL CURSOR WITH HOLD FOR SELECT * FROM parent; FETCH LAST FROM held

DECLARE changing CURSOR FOR SELECT * FROM parent FOR UPDATE; FETCH 1 FROM changing; UPDATE parent SET name = 'here' WHERE CURRENT OF changing

DO $$ DECLARE seen refcursor := 'left open'; BEGIN OPEN seen FOR SELECT * FROM parent; END $$

CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE seen refcursor := 'opened'; BEGIN OPEN seen FOR SELECT * FROM parent; RETURN seen; END $$; SELECT opens()

DISCARD PLANS

CREATE FUNCTION counts() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM parent); END $$; INSERT INTO got SELECT counts()::text; ALTER TABLE parent ADD COLUMN more int

# sequences

SELECT nextval('numbers')

SELECT setval('numbers', 70); INSERT INTO got SELECT nextval('numbers')::text

CREATE SEQUENCE ahead CACHE 10; INSERT INTO got SELECT nextval('ahead')::text

CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY, of text); INSERT INTO counted (of) SELECT name FROM parent; INSERT INTO got SELECT lastval()::text

CREATE TABLE counted (id serial PRIMARY KEY, of text); INSERT INTO counted (of) VALUES ('a') RETURNING id; SELECT currval('counted_id_seq')

ALTER SEQUENCE numbers INCREMENT BY 7 RESTART WITH 700; SELECT nextval('numbers')

SELECT nextval('numbers'); DISCARD SEQUENCES

CREATE TABLE counted (id serial PRIMARY KEY, of text); INSERT INTO counted (of) SELECT name FROM parent; TRUNCATE counted RESTART IDENTITY; INSERT INTO counted (of) VALUES ('first')

# channels and locks

LISTEN heard

LISTEN heard; UNLISTEN heard; LISTEN "Heard Too"

-- alone: notifications
NOTIFY heard, 'of a script'

-- alone: notifications
SELECT pg_notify('heard', name) FROM parent

LISTEN pgrst; LISTEN underpin; UNLISTEN *; LISTEN pgrst

SELECT pg_advisory_lock(7701)

SELECT pg_advisory_lock_shared(7702), pg_advisory_lock(7703), pg_advisory_lock(7703)

SELECT pg_try_advisory_lock(1, 7704)

-- alone: a lock of the transaction
SELECT pg_advisory_xact_lock(7705)

-- alone: a lock of the transaction
SELECT pg_try_advisory_xact_lock_shared(7706)

SELECT pg_advisory_unlock_all()

LOCK TABLE parent IN ACCESS EXCLUSIVE MODE; LOCK child IN SHARE MODE

SELECT * FROM parent FOR UPDATE; SELECT * FROM child FOR KEY SHARE

-- alone: what it sees of others
SELECT pg_export_snapshot()

# large objects

SELECT lo_create(0) IS NOT NULL

-- alone: large objects that are open
SELECT lo_open(lo_create(0), 131072)

SELECT lo_from_bytea(0, '\x414243'), lo_unlink(lo_create(0))

-- alone: large objects that are open
DO $$ DECLARE fd int; BEGIN fd := lo_open(lo_create(0), 131072); PERFORM lowrite(fd, 'abc'); END $$

CREATE TABLE kept (file oid); INSERT INTO kept VALUES (lo_from_bytea(0, 'abc')); INSERT INTO got SELECT encode(lo_get(file), 'escape') FROM kept; SELECT lo_unlink(file) FROM kept
