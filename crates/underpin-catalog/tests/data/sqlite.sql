-- Everything that is hard to split in SQLite; semicolons; in comments;
CREATE TABLE "odd;name" (id INTEGER PRIMARY KEY, [second;column] TEXT DEFAULT ';', `third;` TEXT);
CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT CHECK (line <> ';')); /* a; comment */
CREATE TRIGGER note AFTER INSERT ON "odd;name"
WHEN CASE WHEN new.id > 0 THEN 1 ELSE 0 END
BEGIN
    INSERT INTO log (line) VALUES ('begin; end');
    UPDATE log SET line = CASE WHEN line = 'x' THEN 'BEGIN' ELSE line || ' END' END;
    -- END;
    SELECT 1;
END;
CREATE VIEW seen AS SELECT line AS "end;" FROM log;
INSERT INTO "odd;name" (id, [second;column]) VALUES (1, 'it''s; fine'), (2, '--no;'), (3, '/*;*/');;
CREATE TRIGGER IF NOT EXISTS gone INSTEAD OF DELETE ON seen BEGIN DELETE FROM log; END;
INSERT INTO log (line) VALUES ('last; without an end')
