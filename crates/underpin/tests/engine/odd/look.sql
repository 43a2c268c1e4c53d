-- How a migration finds its session. What it makes for that is gone again.
CREATE TABLE seen AS
    SELECT name AS what, setting AS how FROM pg_catalog.pg_settings
    UNION ALL SELECT 'my.tenant', coalesce(current_setting('my.tenant', true), '')
    UNION ALL SELECT 'users', pg_catalog.concat_ws(' ', current_user, session_user)
    UNION ALL SELECT 'schemas', current_schemas(false)::text
    UNION ALL SELECT 'prepared', coalesce(string_agg(name, ' '), '') FROM pg_prepared_statements WHERE from_sql
    UNION ALL SELECT 'cursors', coalesce(string_agg(name, ' '), '') FROM pg_cursors WHERE name <> ''
    UNION ALL SELECT 'channels', coalesce(string_agg(c, ' '), '') FROM pg_listening_channels() AS l (c)
    UNION ALL SELECT 'locks', coalesce(string_agg(pg_catalog.concat_ws(' ', classid, objid, mode), ';'), '') FROM pg_locks
        WHERE locktype = 'advisory' AND objid BETWEEN 7700 AND 7799 AND pid = pg_catalog.pg_backend_pid()
    UNION ALL SELECT 'temporary', coalesce(string_agg(name, ' ' ORDER BY name), '') FROM (
        SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()
        UNION ALL SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema()) AS t (name);
DO $$ BEGIN
    INSERT INTO seen SELECT 'last value', lastval()::text;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    INSERT INTO seen VALUES ('last value', 'none');
END $$;
DO $$ BEGIN
    INSERT INTO seen SELECT 'value of numbers', currval('numbers')::text;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    INSERT INTO seen VALUES ('value of numbers', 'none');
END $$;
CREATE TABLE checked (id int PRIMARY KEY, late int REFERENCES checked DEFERRABLE INITIALLY DEFERRED,
    soon int REFERENCES checked DEFERRABLE);
DO $$ BEGIN
    INSERT INTO checked VALUES (1, 404, NULL);
    RAISE division_by_zero;
EXCEPTION
    WHEN division_by_zero THEN INSERT INTO seen VALUES ('what is deferred', 'later');
    WHEN foreign_key_violation THEN INSERT INTO seen VALUES ('what is deferred', 'at once');
END $$;
DO $$ BEGIN
    INSERT INTO checked VALUES (1, NULL, 404);
    RAISE division_by_zero;
EXCEPTION
    WHEN division_by_zero THEN INSERT INTO seen VALUES ('what is not deferred', 'later');
    WHEN foreign_key_violation THEN INSERT INTO seen VALUES ('what is not deferred', 'at once');
END $$;
DROP TABLE checked;
DO $$ DECLARE made oid := lo_create(0); opened int; BEGIN
    -- By its name, what opens one parts the migrations.
    EXECUTE 'SELECT lo_' || 'open($1, 131072)' INTO opened USING made;
    INSERT INTO seen VALUES ('open large objects', opened::text);
    PERFORM lo_unlink(made);
END $$;
