"""Starters that race: all succeed, and each migration is applied once."""

import shutil
import time

from . import catalogs
from .bouncer import PgBouncer
from .ground import expect, finish

NAME, UNIT, AIM = "starters", "races", 10_000
ABOUT = "2, 5 or 16 starters at once: empty, half or legacy; SQLite, PostgreSQL, behind PgBouncer"


def possible():
    return None


def play(rng, ground, folder):
    where = rng.choice(("sqlite", "postgres", "pooler"))
    database = ground.sqlite(folder) if where == "sqlite" else ground.postgres()
    # Outside a transaction behind a pooler a script may need a session, which there is none of.
    kind = rng.choice(catalogs.KINDS)
    state = rng.choice(("empty", "half", "legacy"))
    migrations = folder / "migrations"
    versions = catalogs.make(migrations, kind, database.dialect)
    if state != "empty":
        half = folder / "half"
        for path in sorted(migrations.iterdir())[:2]:
            shutil.copytree(path, half / path.name)
        ground.succeed(["--migrations", half, "upgrade"], folder, DATABASE_URL=database.url)
    if state == "legacy":
        database.script("DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history;")
    url = PgBouncer(ground, folder, database).url(database) if where == "pooler" else database.url
    number = rng.choice((2, 5, 16))
    processes = []
    for _ in range(number):
        processes.append(ground.start(["--migrations", migrations, "upgrade"], folder, DATABASE_URL=url))
        time.sleep(rng.choice((0, 0, 0.001, 0.01)))
    ended = [finish(process) for process in processes]
    for status, said in ended:
        expect(status == 0, f"one of {number} starters on {where}, {kind}, {state} ends with {status}: {said}")
    if state == "legacy":
        expect(catalogs.applied(database) == versions, "not all is applied")
        catalogs.expect_pieces(database)
    else:
        catalogs.expect_whole(database, versions)
    return 1
