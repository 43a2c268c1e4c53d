-- Everything that is hard to split in PostgreSQL; semicolons; in comments;
CREATE TABLE "odd;name" (id INTEGER PRIMARY KEY, "second;column" TEXT DEFAULT ';');
/* outer; /* inner; */ still; outer */
CREATE FUNCTION twice(a INTEGER) RETURNS INTEGER LANGUAGE plpgsql AS $$
BEGIN
    -- END;
    IF a > 0 THEN RETURN a * 2; END IF;
    RETURN 0;
END
$$;
CREATE FUNCTION tagged() RETURNS TEXT LANGUAGE sql AS $body$ SELECT 'a $$ b; c'; $body$;
CREATE FUNCTION standard(a INTEGER) RETURNS INTEGER LANGUAGE sql
BEGIN ATOMIC
    SELECT 1;
    SELECT CASE WHEN a > 0 THEN a ELSE 0 END;
END;
DO $do$ BEGIN INSERT INTO "odd;name" VALUES (1, 'from; do'); END $do$;
INSERT INTO "odd;name" VALUES (2, E'it\'s; \\'), (3, 'it''s; fine'), (4, 'c:\');;
CREATE RULE noted AS ON UPDATE TO "odd;name" DO ALSO
    (INSERT INTO "odd;name" VALUES (5, 'rule;'); DELETE FROM "odd;name" WHERE id = 1);
UPDATE "odd;name" SET "second;column" = "second;column" || twice(1)::text WHERE id = 2
