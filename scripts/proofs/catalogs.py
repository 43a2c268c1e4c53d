"""Folders of migrations, and what a database must be when they are applied."""

from .ground import expect


def write(folder, name, up, down, outside=False):
    path = folder / name
    path.mkdir(parents=True)
    (path / "up.sql").write_text(up)
    (path / "down.sql").write_text(down)
    if outside:
        (path / "metadata.toml").write_text("run_in_transaction = false\n")


def tables(folder, first, last, more=""):
    """Migrations that make a table with one row each."""
    for number in range(first, last + 1):
        up = f"CREATE TABLE t{number} (id INTEGER NOT NULL PRIMARY KEY, text TEXT);\nINSERT INTO t{number} VALUES ({number}, 'a; b');\n{more}"
        write(folder, f"{number:04}_create_t{number}", up, f"DROP TABLE t{number};\n")


def indexes(folder, number, dialect):
    """A migration outside a transaction, whose statements may be repeated."""
    concurrently = "CONCURRENTLY " if dialect == "postgres" else ""
    up = "".join(f"CREATE INDEX {concurrently}IF NOT EXISTS {name} ON t1 ({columns});\n" for name, columns in (("a", "text"), ("b", "text, id")))
    down = "".join(f"DROP INDEX {concurrently}IF EXISTS {name};\n" for name in "ba")
    write(folder, f"{number:04}_index_t1", up, down, outside=True)


def slow(dialect):
    """A statement that takes a twentieth of a second."""
    if dialect == "postgres":
        return "SELECT pg_sleep(0.05);\n"
    return "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000) SELECT max(n) FROM c;\n"


def make(folder, kind, dialect):
    """A folder of one of the kinds; gives the versions that it has."""
    more = slow(dialect) if kind == "slow" else ""
    tables(folder, 1, 3, more)
    if kind == "outside":
        indexes(folder, INDEXES, dialect)
    tables(folder, 11, 12)
    return sorted(path.name[:4] for path in folder.iterdir())


# The version of the migration outside a transaction; every other one makes a table.
INDEXES = 10
KINDS = ("plain", "slow", "outside")


def applied(database):
    if "__diesel_schema_migrations" not in database.tables():
        return []
    return database.texts("SELECT version FROM __diesel_schema_migrations ORDER BY version")


def expect_whole(database, versions, killed=False):
    """Each version is applied once, its table has its row, and nothing of a runner is left.

    A runner that was killed leaves its lock file, which the next one with work to do takes over.
    """
    found = applied(database)
    expect(found == versions, f"applied are {found}, expected {versions}")
    ups = "SELECT version FROM underpin_history WHERE action = 'upgrade' AND outcome = 'done' ORDER BY version"
    downs = "SELECT count(*) FROM underpin_history WHERE action = 'downgrade'"
    if database.texts(downs) == ["0"]:
        recorded = database.texts(ups)
        expect(recorded == versions, f"the history records {recorded}, expected each of {versions} once")
    expect_pieces(database)
    left = [] if killed else database.left_over()
    expect(not left, f"left behind: {left}")
    database.check()


def expect_pieces(database):
    """A script and its history are there together, and each table has its one row."""
    made = [name for name in database.tables() if name[0] == "t" and name[1:].isdigit()]
    told = [f"t{int(version)}" for version in applied(database) if int(version) != INDEXES]
    expect(sorted(made) == sorted(told), f"tables {made}, but the history tells of {told}")
    for name in made:
        rows = database.texts(f"SELECT id FROM {name}")
        expect(rows == [name[1:]], f"`{name}` has the rows {rows}")
