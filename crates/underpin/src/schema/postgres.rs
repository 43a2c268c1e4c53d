//! Reads a PostgreSQL schema from the catalogs.

use crate::adopt::scratch_path;

/// The statements of which the first gives the document of `schema`.
///
/// All names in it are looked up before it runs, when nothing but the server's own can be meant. While
/// it runs the schema comes first in the path, so that the server prints what is in it without its name.
pub(super) fn query(schema: &str) -> String {
    let path = scratch_path(schema);
    format!(
        "SELECT CASE WHEN set_config('search_path', {path}, true) IS NOT NULL THEN ({QUERY}) END; \
         SET LOCAL search_path TO pg_catalog, pg_temp"
    )
}

/// One JSON document in the form of [`Schema`](super::Schema).
///
/// The server prints names without their schema when it comes first in the search path; where it
/// prints them all the same (index definitions), the schema is cut out, so that a schema built in
/// another place compares equal. Objects of extensions are left out.
///
/// The catalogs hold the objects of all schemas. Which are in one is asked of `pg_depend`, where each
/// object depends on its schema: unlike `pg_class` it has an index for that.
const QUERY: &str = r"
WITH own AS (
  SELECT c.oid, c.relname, c.relkind FROM pg_class c
  WHERE c.oid IN (SELECT d.objid FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_namespace'::regclass
        AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))
    AND c.relname NOT IN ('__diesel_schema_migrations', 'underpin_history', 'underpin_lease',
      'alembic_version')
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT json_build_object(
  'tables', (SELECT coalesce(json_object_agg(t.relname, json_build_object(
    'columns', (SELECT coalesce(json_object_agg(a.attname, json_build_object(
        'type', format_type(a.atttypid, a.atttypmod),
        'not_null', a.attnotnull,
        'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'generated', CASE
          WHEN a.attidentity <> '' THEN 'IDENTITY'
          WHEN a.attgenerated <> '' THEN 'GENERATED ' || pg_get_expr(d.adbin, d.adrelid) END)), '{}')
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'indexes', (SELECT coalesce(json_object_agg(i.relname,
        CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END
        || substring(pg_get_indexdef(x.indexrelid) FROM ' USING .*')
        || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END), '{}')
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
      WHERE x.indrelid = t.oid
        AND NOT EXISTS (SELECT FROM pg_constraint k
          WHERE k.conrelid = t.oid AND k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))),
    'constraints', (SELECT coalesce(json_agg(DISTINCT
        CASE WHEN k.contype = 'f'
          THEN replace(pg_get_constraintdef(k.oid), quote_ident(current_schema()) || '.', '')
          ELSE pg_get_constraintdef(k.oid) END), '[]')
      FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x'))
    )), '{}') FROM own t WHERE t.relkind IN ('r', 'p')),
  'views', (SELECT coalesce(json_object_agg(v.relname, pg_get_viewdef(v.oid)), '{}')
    FROM own v WHERE v.relkind IN ('v', 'm')),
  'triggers', (SELECT coalesce(json_object_agg(g.tgname || ' on ' || t.relname,
      replace(pg_get_triggerdef(g.oid), quote_ident(current_schema()) || '.', '')), '{}')
    FROM pg_trigger g JOIN own t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal),
  'enums', (SELECT coalesce(json_object_agg(e.typname, e.labels), '{}') FROM (
    SELECT y.typname, json_agg(l.enumlabel ORDER BY l.enumsortorder) AS labels
    FROM pg_type y JOIN pg_enum l ON l.enumtypid = y.oid
    WHERE y.typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_type'::regclass AND d.objid = y.oid AND d.deptype = 'e')
    GROUP BY y.typname) e))::text
";
