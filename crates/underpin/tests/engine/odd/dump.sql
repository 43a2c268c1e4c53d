-- What is in a schema and in those whose name begins with its name: definitions, owners, rights, comments.
WITH s AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE starts_with(nspname, 'TENANT')),
c AS (SELECT k.*, s.nspname FROM pg_class AS k JOIN s ON s.oid = k.relnamespace
    WHERE k.relname NOT IN ('__diesel_schema_migrations', 'underpin_history', 'underpin_lease',
        '__diesel_schema_migrations_pkey', 'underpin_history_pkey', 'underpin_history_id_seq', 'underpin_lease_pkey')),
p AS (SELECT f.*, s.nspname FROM pg_proc AS f JOIN s ON s.oid = f.pronamespace)
SELECT line FROM (
    SELECT concat_ws(' ', 'schema', nspname, nspowner::regrole, nspacl, obj_description(oid, 'pg_namespace')) FROM s
    UNION ALL SELECT concat_ws(' ', 'relation', nspname, relname, relkind, relpersistence, relowner::regrole, relacl,
        reloptions, relrowsecurity, relforcerowsecurity, relreplident, relispartition, reltablespace,
        pg_get_expr(relpartbound, oid), obj_description(oid, 'pg_class')) FROM c
    UNION ALL SELECT concat_ws(' ', 'column', nspname, relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated, nullif(attcollation, 0)::regcollation, attstorage, attisdropped, pg_get_expr(adbin, adrelid), attacl,
        col_description(attrelid, attnum)) FROM c JOIN pg_attribute AS a ON attrelid = c.oid AND attnum > 0
        LEFT JOIN pg_attrdef AS d ON adrelid = attrelid AND adnum = attnum
    UNION ALL SELECT concat_ws(' ', 'constraint', nspname, conrelid::regclass, contypid::regtype, conname, convalidated,
        condeferrable, condeferred, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'))
        FROM pg_constraint AS k JOIN s ON s.oid = connamespace WHERE conrelid::regclass::text !~ 'underpin|diesel'
    UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(c.oid), indisvalid, indisclustered)
        FROM c JOIN pg_index ON indexrelid = c.oid
    UNION ALL SELECT concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(t.oid))
        FROM c JOIN pg_trigger AS t ON tgrelid = c.oid WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', 'policy', polname, relname, pg_get_expr(polqual, polrelid))
        FROM c JOIN pg_policy ON polrelid = c.oid
    UNION ALL SELECT concat_ws(' ', 'rule', pg_get_ruledef(r.oid)) FROM c JOIN pg_rewrite AS r ON ev_class = c.oid
    UNION ALL SELECT concat_ws(' ', 'parent', inhrelid::regclass, inhparent::regclass)
        FROM c JOIN pg_inherits ON inhrelid = c.oid
    UNION ALL SELECT concat_ws(' ', 'statistics', pg_get_statisticsobjdef(x.oid))
        FROM c JOIN pg_statistic_ext AS x ON stxrelid = c.oid
    UNION ALL SELECT concat_ws(' ', 'sequence', schemaname, sequencename, last_value, increment_by, cache_size)
        FROM pg_sequences JOIN s ON nspname = schemaname WHERE sequencename <> 'underpin_history_id_seq'
    UNION ALL SELECT concat_ws(' ', 'function', CASE prokind WHEN 'a' THEN proname ELSE pg_get_functiondef(oid) END,
        proowner::regrole, proacl) FROM p
    UNION ALL SELECT concat_ws(' ', 'type', s.nspname, typname, typtype, typdefault, typnotnull,
        (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
        FROM pg_type AS t JOIN s ON s.oid = typnamespace WHERE typname !~ 'underpin|diesel'
    UNION ALL SELECT concat_ws(' ', 'operator', oprname, oprcode) FROM pg_operator JOIN s ON s.oid = oprnamespace
    UNION ALL SELECT concat_ws(' ', 'cast', castsource::regtype, casttarget::regtype) FROM pg_cast JOIN p ON p.oid = castfunc
    UNION ALL SELECT concat_ws(' ', 'collation', collname) FROM pg_collation JOIN s ON s.oid = collnamespace
    UNION ALL SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled)
        FROM pg_event_trigger JOIN p ON p.oid = evtfoid
    UNION ALL SELECT concat_ws(' ', 'publication', pubname, relname)
        FROM pg_publication_rel JOIN c ON c.oid = prrelid JOIN pg_publication AS b ON b.oid = prpubid
    UNION ALL SELECT concat_ws(' ', 'rights', nspname, defaclobjtype, defaclacl)
        FROM pg_default_acl JOIN s ON s.oid = defaclnamespace
    UNION ALL SELECT concat_ws(' ', 'applied', version, name, action, outcome, set_name) FROM "TENANT".underpin_history
) AS t (line) ORDER BY line COLLATE "C"
