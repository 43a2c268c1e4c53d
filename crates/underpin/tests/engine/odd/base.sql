CREATE TABLE parent (id int PRIMARY KEY, name text);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
-- Made with its rows, for what is added to it later is due when the transaction ends.
CREATE TABLE grand AS VALUES (1), (2);
ALTER TABLE grand ADD PRIMARY KEY (column1);
CREATE TABLE late (id int PRIMARY KEY, parent int REFERENCES grand DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE soon (id int PRIMARY KEY, parent int REFERENCES grand DEFERRABLE);
CREATE TABLE got (what text);
CREATE TABLE stamped (id int PRIMARY KEY, at timestamptz, old boolean DEFAULT false);
CREATE TYPE mood AS ENUM ('ok');
CREATE TABLE felt (m mood);
CREATE SEQUENCE numbers;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE NOTICE '% on %', tg_op, tg_table_name;
    RETURN new;
END $$;
INSERT INTO parent VALUES (1, 'one'), (2, 'two');
INSERT INTO child VALUES (1, 1), (2, 1);
