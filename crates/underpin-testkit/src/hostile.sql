-- Things in the schema `public` that stand in for the server's own. Whatever uses one of them moves a
-- sequence, which no rollback takes back, and fails.

SET search_path TO pg_catalog;

CREATE SCHEMA poison;
GRANT USAGE ON SCHEMA poison TO PUBLIC;
CREATE SEQUENCE poison.count;
GRANT USAGE ON SEQUENCE poison.count TO PUBLIC;
CREATE FUNCTION poison.used(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.nextval('poison.count'::pg_catalog.regclass);
    RAISE EXCEPTION 'poison: %', what;
END $$;

-- The same things under any name, for arguments and a result of these types.
CREATE PROCEDURE poison.make(name text, arguments text, result text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', name, arguments,
        result, format('BEGIN PERFORM poison.used(%L); END', name || '(' || arguments || ')'));
EXCEPTION WHEN duplicate_function OR invalid_function_definition OR feature_not_supported
    OR syntax_error OR undefined_object THEN
    NULL;
END $$;

-- Every function of the server, with its own arguments.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments,
            CASE WHEN t.typtype = 'p' AND t.typname !~ '^(any|void)' THEN 'text'
                ELSE format_type(p.prorettype, NULL) END AS result
        FROM pg_proc AS p JOIN pg_type AS t ON t.oid = p.prorettype
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind <> 'p' AND NOT EXISTS (
            SELECT FROM unnest(p.proargtypes::oid[]) AS a (type)
            WHERE a.type IN ('internal'::regtype, 'cstring'::regtype, '"any"'::regtype))
    LOOP
        CALL poison.make(one.proname, one.arguments, one.result);
    END LOOP;
END $$;

-- Functions of the kind that programs call, for arguments that the server's own take after a cast alone.
DO $$
DECLARE
    one text;
    a text;
    b text;
    types text[] := ARRAY['text', 'name', 'varchar', 'int4', 'int8', 'anyelement'];
BEGIN
    FOREACH one IN ARRAY ARRAY['array_agg', 'bool_or', 'chr', 'clock_timestamp', 'concat', 'concat_ws',
        'count', 'current_database', 'current_schema', 'current_schemas', 'current_setting', 'date_part',
        'date_trunc', 'format', 'format_type', 'hashtextextended', 'host', 'json_agg', 'json_build_array',
        'json_build_object', 'json_object_agg', 'left', 'length', 'lower', 'max', 'min', 'now', 'pg_notify',
        'pg_try_advisory_lock', 'pg_try_advisory_lock_shared', 'pg_try_advisory_xact_lock', 'quote_ident',
        'quote_literal', 'replace', 'set_config', 'string_agg', 'substring', 'sum', 'to_char', 'to_json',
        'to_regclass', 'to_regnamespace', 'unnest', 'upper']
    LOOP
        CALL poison.make(one, '', 'text');
        CALL poison.make(one, 'VARIADIC text[]', 'text');
        CALL poison.make(one, 'VARIADIC anyarray', 'text');
        FOREACH a IN ARRAY types LOOP
            CALL poison.make(one, a, 'text');
            FOREACH b IN ARRAY types LOOP
                CALL poison.make(one, a || ', ' || b, 'text');
            END LOOP;
        END LOOP;
    END LOOP;
    CALL poison.make('set_config', 'text, text, text', 'text');
    CALL poison.make('replace', 'name, text, text', 'text');
END $$;
CREATE FUNCTION poison.step(state bigint) RETURNS bigint LANGUAGE plpgsql
    AS 'BEGIN PERFORM poison.used(''count(*)''); END';
DROP FUNCTION public.count();
CREATE AGGREGATE public.count(*) (SFUNC = poison.step, STYPE = bigint);

-- Operators for all pairs of the usual types: also for those that the server compares after a cast alone.
DO $$
DECLARE
    types text[] := ARRAY['text', 'name', 'varchar', 'bpchar', '"char"', 'int2', 'int4', 'int8', 'float8',
        'oid', 'regclass', 'bool', 'json', 'timestamp', 'timestamptz', 'interval', 'anyelement', 'text[]',
        'name[]', 'anyarray'];
    a text;
    b text;
    one text;
    function text;
BEGIN
    FOREACH a IN ARRAY types LOOP
        FOREACH b IN ARRAY types LOOP
            function := 'operator of ' || a || ' ' || b;
            CALL poison.make(function, a || ', ' || b, 'boolean');
            FOREACH one IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '~', '!~', '~~',
                '!~~', '<<', '|', '&&', '->>'] LOOP
                BEGIN
                    EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.%I)',
                        one, a, b, function);
                EXCEPTION WHEN undefined_function THEN
                    NULL;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;

-- Types whose values cannot be made.
DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['text', 'name', 'int2', 'int4', 'int8', 'float8', 'bool', 'json', 'jsonb',
        'oid', 'regclass', 'regnamespace', 'regtype', 'timestamp', 'timestamptz', 'interval', 'varchar',
        'bpchar', 'bytea', 'uuid', 'date'] LOOP
        EXECUTE format('CREATE DOMAIN public.%I AS pg_catalog.%I CHECK (poison.used(%L))', one, one,
            'type ' || one);
    END LOOP;
END $$;

-- Tables of the server, of which no row can be read.
DO $$
DECLARE
    one name;
BEGIN
    FOR one IN SELECT relname FROM pg_class
        WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        BEGIN
            EXECUTE format('CREATE VIEW public.%I AS SELECT * FROM pg_catalog.%I WHERE poison.used(%L)', one,
                one, 'table ' || one);
        EXCEPTION WHEN OTHERS THEN
            EXECUTE format('CREATE VIEW public.%I AS SELECT 1 AS one WHERE poison.used(%L)', one,
                'table ' || one);
        END;
        EXECUTE format('GRANT SELECT ON public.%I TO PUBLIC', one);
    END LOOP;
END $$;
