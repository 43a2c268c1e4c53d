-- A text has any length in SQLite; PostgreSQL follows here.
SELECT 1;
