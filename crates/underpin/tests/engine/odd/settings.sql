# settings of the session

SET work_mem = '1MB'

SET SESSION work_mem = '2MB'

SET work_mem TO DEFAULT; SET maintenance_work_mem = '3MB'

SET statement_timeout = '1h'

SET lock_timeout = '77s'

SET idle_in_transaction_session_timeout = '77min'

SET check_function_bodies = off; CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT n FROM not_yet'

SET default_tablespace = 'pg_default'; CREATE TABLE placed (id int)

SET temp_tablespaces = 'pg_default'; CREATE TEMP TABLE placed (id int)

SET default_table_access_method = 'heap'; CREATE TABLE placed (id int)

SET DateStyle = 'SQL, DMY'; INSERT INTO got SELECT '01/02/2020'::date::text

SET IntervalStyle = 'sql_standard'; INSERT INTO got SELECT (interval '1 day 2 hours')::text

SET TIME ZONE 'Asia/Tokyo'; INSERT INTO got SELECT '2020-01-01 00:00+00'::timestamptz::text

SET TimeZone = 'Asia/Tokyo'; CREATE TABLE held (at timestamptz); INSERT INTO held VALUES ('2020-01-01 00:00')

SET bytea_output = 'escape'; INSERT INTO got SELECT ('\x00ff'::bytea)::text

SET extra_float_digits = -15; INSERT INTO got SELECT (0.1::float8 + 0.2::float8)::text

SET quote_all_identifiers = on; INSERT INTO got SELECT quote_ident('a')

SET xmlbinary = 'hex'; SET xmloption = 'document'

SET SCHEMA 'pg_catalog'

DO $$ BEGIN EXECUTE 'SET client_' || 'encoding TO LATIN1'; END $$

DO $$ BEGIN EXECUTE 'SET client_' || 'encoding TO WIN1252'; END $$; INSERT INTO got VALUES ('é')

SET escape_string_warning = off; SET backslash_quote = on

SET transform_null_equals = on; INSERT INTO got SELECT count(*)::text FROM parent WHERE name = NULL

SET array_nulls = off; INSERT INTO got SELECT ('{NULL}'::text[])::text

SET lo_compat_privileges = on

SET enable_seqscan = off; SET enable_hashjoin = off; SET random_page_cost = 9

SET jit = off; SET max_parallel_workers_per_gather = 0; SET force_parallel_mode_is_gone.x = 'y'

SET plan_cache_mode = 'force_generic_plan'

SET constraint_exclusion = on; SET cursor_tuple_fraction = 0.5

SET default_statistics_target = 7; CREATE INDEX names ON parent (name)

SET gin_fuzzy_search_limit = 7; SET gin_pending_list_limit = 64

SET vacuum_cost_delay = 7; SET commit_delay = 7

SET synchronous_commit = off

SET synchronous_commit = local; INSERT INTO got VALUES ('kept')

SET client_min_messages = error; DO $$ BEGIN RAISE WARNING 'not heard'; END $$

SET log_min_messages = panic; SET log_statement = 'none'

SET lc_messages = 'C'; SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET lc_time = 'C'

SET session_replication_role = replica; INSERT INTO child VALUES (90, 404)

SET row_security = off

SET application_name = 'somebody else'

SET default_transaction_isolation = 'serializable'

SET default_transaction_read_only = on

SET default_transaction_deferrable = on

SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ

SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

SET allow_system_table_mods = on

SET zero_damaged_pages = on

SET debug_print_plan = off; SET trace_notify = on

SET tcp_keepalives_idle = 77

SET geqo_seed = 0.7

SET seed = 0.5

SELECT setseed(0.5); INSERT INTO got SELECT random()::text

SET my.tenant = 'of the one before'; INSERT INTO got VALUES (current_setting('my.tenant'))

SET plpgsql.extra_warnings = 'all'; SET plpgsql.variable_conflict = 'use_column'

# settings of the transaction

SET LOCAL work_mem = '1MB'

SET LOCAL DateStyle = 'German'; INSERT INTO got SELECT '2020-02-01'::date::text

SET LOCAL my.tenant = 'of the transaction'; INSERT INTO got VALUES (current_setting('my.tenant'))

SET LOCAL search_path = pg_catalog

SET LOCAL search_path = ''

SET LOCAL statement_timeout = '1h'; SET LOCAL lock_timeout = '1h'

SET LOCAL session_replication_role = replica; DELETE FROM parent WHERE id = 1

SET LOCAL synchronous_commit = off; INSERT INTO got VALUES ('kept')

SET LOCAL ROLE pg_read_all_data

SET LOCAL SESSION AUTHORIZATION pg_monitor

SET LOCAL enable_seqscan = off; SET enable_seqscan = on; SET LOCAL enable_seqscan = off

SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'; RESET work_mem; SET LOCAL work_mem = '3MB'

SET LOCAL client_min_messages = error; DO $$ BEGIN EXECUTE 'SET LOCAL client_' || 'encoding TO LATIN1'; END $$

SET LOCAL TIME ZONE -7; INSERT INTO got SELECT '2020-01-01 00:00+00'::timestamptz::text

SET LOCAL transaction_timeout_is_new.x = '1'

SET LOCAL row_security = off; SET LOCAL check_function_bodies = off; CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT n FROM not_yet'

# set_config

SELECT set_config('work_mem', '1MB', false)

SELECT set_config('work_mem', '1MB', true)

SELECT pg_catalog.set_config('search_path', '', false)

SELECT pg_catalog.set_config('search_path', 'public', true)

SELECT set_config('my.tenant', name, false) FROM parent

SELECT set_config('role', 'pg_monitor', false)

SELECT set_config('session_authorization', 'pg_monitor', false)

SELECT set_config(name, '7', false) FROM (VALUES ('my.a'), ('my.b'), ('vacuum_cost_delay')) AS s (name)

UPDATE pg_settings SET setting = '1024' WHERE name = 'work_mem'

DO $$ BEGIN PERFORM set_config('work_mem', '1MB', false); END $$

DO $$ BEGIN PERFORM set_config('search_path', 'pg_catalog', true); END $$

DO $$ BEGIN SET work_mem = '1MB'; SET LOCAL DateStyle = 'German'; END $$

DO $$ BEGIN EXECUTE 'SET ' || 'lock_timeout = 7777'; EXECUTE format('SET my.%I = %L', 'one', 'two'); END $$

CREATE FUNCTION sets() RETURNS void LANGUAGE sql AS $$ SELECT set_config('work_mem', '1MB', false) $$; SELECT sets()

CREATE FUNCTION sets() RETURNS void LANGUAGE plpgsql SET work_mem = '1MB' AS $$ BEGIN SET LOCAL work_mem = '2MB'; INSERT INTO got VALUES (current_setting('work_mem')); END $$; SELECT sets()

CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('role', 'pg_monitor', false); RETURN 1; END $$; CREATE TABLE filled AS SELECT sets()

CREATE FUNCTION sets() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '1MB'; RETURN new; END $$; CREATE TRIGGER sets BEFORE INSERT ON got FOR EACH ROW EXECUTE FUNCTION sets(); INSERT INTO got VALUES ('x')

CREATE PROCEDURE sets() LANGUAGE plpgsql AS $$ BEGIN SET DateStyle = 'German'; END $$; CALL sets()

# RESET

RESET work_mem

-- refused behind a pooler: the path of the schema
RESET ALL

-- refused behind a pooler: the path of the schema
RESET search_path; CREATE TABLE made (id int)

-- refused behind a pooler: the path of the schema
SET search_path TO DEFAULT; CREATE TABLE made (id int)

-- refused behind a pooler: the path of the schema
SET LOCAL search_path = DEFAULT; CREATE TABLE made (id int)

-- refused behind a pooler: the path of the schema
DO $$ BEGIN RESET ALL; CREATE TABLE made (id int); END $$

-- refused behind a pooler: the path of the schema
DO $$ BEGIN EXECUTE 'RESET search_path'; CREATE TABLE made (id int); END $$

RESET statement_timeout; RESET lock_timeout

RESET ROLE; RESET SESSION AUTHORIZATION

RESET TIME ZONE; RESET client_encoding; RESET application_name

RESET session_replication_role; RESET row_security; RESET standard_conforming_strings

SET work_mem = '1MB'; RESET work_mem; INSERT INTO got VALUES (current_setting('work_mem'))

# roles

SET ROLE pg_monitor

SET SESSION ROLE pg_read_all_data

SET ROLE NONE

SET SESSION AUTHORIZATION pg_monitor

SET SESSION AUTHORIZATION DEFAULT

SET SESSION AUTHORIZATION pg_monitor; SET ROLE pg_read_all_settings

DO $$ BEGIN SET ROLE pg_monitor; END $$

DO $$ BEGIN EXECUTE format('CREATE ROLE %I', current_schema() || '_app_' || current_database()); EXECUTE format('DROP ROLE %I', current_schema() || '_app_' || current_database()); END $$

GRANT SELECT ON parent TO pg_monitor; SET ROLE pg_monitor

CREATE TABLE theirs (id int); ALTER TABLE theirs OWNER TO pg_monitor

DO $$ BEGIN EXECUTE format('GRANT ALL ON SCHEMA %I TO pg_monitor', current_schema()); END $$; SET ROLE pg_monitor; CREATE TABLE theirs (id int)

CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT current_user::text'; INSERT INTO got VALUES (who())

CREATE FUNCTION definer() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN SET LOCAL work_mem = '1MB'; END $$; SELECT definer()

ALTER TABLE parent ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON parent USING (false); ALTER TABLE parent FORCE ROW LEVEL SECURITY; SET ROLE pg_monitor

DO $$ BEGIN EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO pg_monitor', current_schema()); END $$; CREATE TABLE seen_by_all (id int)

REVOKE ALL ON got FROM PUBLIC; GRANT INSERT, SELECT ON got TO pg_monitor WITH GRANT OPTION; DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO pg_monitor', current_schema()); END $$; SET ROLE pg_monitor; INSERT INTO got VALUES (current_user)

# search_path

SET search_path = public, pg_catalog

SET search_path = "$user"

SET search_path = 'no such schema'

SET search_path = pg_temp; CREATE TABLE parent (id int)

DO $$ DECLARE other text := current_schema() || '_other'; BEGIN EXECUTE format('CREATE SCHEMA %I', other); PERFORM set_config('search_path', other, false); CREATE TABLE parent (id int, more text); INSERT INTO parent VALUES (7, 'of another'); END $$

DO $$ DECLARE other text := current_schema() || '_other'; BEGIN EXECUTE format('CREATE SCHEMA %I CREATE TABLE got (what text) CREATE VIEW all_of AS SELECT * FROM got', other); PERFORM set_config('search_path', other || ', ' || current_schema(), true); INSERT INTO got VALUES ('elsewhere'); END $$

CREATE FUNCTION upper(text) RETURNS text LANGUAGE sql AS $$ SELECT 'not that one' $$; SELECT set_config('search_path', current_schema() || ', pg_catalog', false); INSERT INTO got SELECT upper('a')

CREATE FUNCTION concat_ws(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$; CREATE FUNCTION pg_backend_pid() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; SELECT set_config('search_path', current_schema() || ', pg_catalog', false)
