"""Runs that are killed: the next one comes to where an undisturbed run comes."""

import concurrent.futures
import random
import time

from . import catalogs, starts
from .bouncer import PgBouncer
from .ground import expect

NAME, UNIT, AIM = "kills", "kills", 10_000
ABOUT = "kill -9 at random times and after each numbered step: upgrade, downgrade, adopt, also behind PgBouncer; fleet; services that migrate at their start"
# Databases behind a pooler at a time: each waits until the lease of the runner that was killed has ended.
BEHIND = 8


def possible():
    return None


def play(rng, ground, folder):
    if rng.random() < 0.04:
        return behind_pooler(rng, ground, folder)
    attack = rng.choice((up, up, down, adopt, fleet, starts.play))
    if attack is fleet:
        return attack(rng, ground, folder)
    database = ground.sqlite(folder) if rng.random() < 0.5 else ground.postgres()
    return attack(rng, ground, folder, database, database.url)


def behind_pooler(rng, ground, folder):
    """The same with several databases behind one PgBouncer, at once."""
    databases = [ground.postgres() for _ in range(BEHIND)]
    bouncer = PgBouncer(ground, folder, databases[0])
    attacks = [(rng.choice((up, up, down, adopt)), random.Random(rng.random()), database) for database in databases]

    def one(number):
        attack, own, database = attacks[number]
        place = folder / str(number)
        place.mkdir()
        return attack(own, ground, place, database, bouncer.url(database))

    with concurrent.futures.ThreadPoolExecutor(BEHIND) as pool:
        return sum(pool.map(one, range(BEHIND)))


def killed(rng, ground, arguments, folder, longest, **environment):
    """Starts a run and kills it at a random time or after one of its steps; says whether it died."""
    if rng.random() < 0.5:
        point = rng.choice(("underpin::step", "fleet::step")) if "fleet" in arguments else "underpin::step"
        environment["FAILPOINTS"] = f"{point}={rng.randrange(60)}*off->panic"
        process = ground.start(arguments, folder, **environment)
        process.communicate(timeout=90)
        return process.returncode < 0
    process = ground.start(arguments, folder, **environment)
    time.sleep(rng.random() * longest)
    died = process.poll() is None
    process.kill()
    process.communicate()
    return died


def up(rng, ground, folder, database, url):
    """Killed as often as it takes to come to the head, then checked."""
    migrations, count = folder / "migrations", 0
    kind = rng.choice(("plain", "outside"))
    versions = catalogs.make(migrations, kind, database.dialect)
    if rng.random() < 0.5:
        ground.succeed(["--migrations", migrations, "upgrade", "+1"], folder, DATABASE_URL=url)
    command = ["--migrations", migrations, "upgrade", *(["--resume"] if kind == "outside" else [])]
    for _ in range(rng.randrange(1, 4)):
        count += killed(rng, ground, command, folder, 0.06, DATABASE_URL=url)
    ground.succeed(command, folder, DATABASE_URL=url)
    catalogs.expect_whole(database, versions, killed=True)
    return count


def down(rng, ground, folder, database, url):
    """A downgrade goes on to where it went, and takes nothing else back."""
    migrations = folder / "migrations"
    catalogs.tables(migrations, 1, 6)
    ground.succeed(["--migrations", migrations, "upgrade"], folder, DATABASE_URL=url)
    command = ["--migrations", migrations, "downgrade", "0002"]
    count = killed(rng, ground, command, folder, 0.06, DATABASE_URL=url)
    if count and database.dialect == "sqlite":
        catalogs.expect_pieces(database)
    ground.succeed(command, folder, DATABASE_URL=url)
    expect(catalogs.applied(database) == ["0001", "0002"], "it went elsewhere")
    catalogs.expect_pieces(database)
    return count


def adopt(rng, ground, folder, database, url):
    """A database without a history is recognised after a kill as before it."""
    migrations = folder / "migrations"
    catalogs.tables(migrations, 1, 6)
    ground.succeed(["--migrations", migrations, "upgrade", "0003"], folder, DATABASE_URL=url)
    database.script("DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history;")
    command = ["--migrations", migrations, "upgrade"]
    count = killed(rng, ground, command, folder, 0.06, DATABASE_URL=url)
    ground.succeed(command, folder, DATABASE_URL=url)
    expect(catalogs.applied(database) == [f"000{number}" for number in range(1, 7)], "not all is applied")
    catalogs.expect_pieces(database)
    return count


def fleet(rng, ground, folder):
    """Files of a fleet, some with copies; a run that died is resumed until all are at the head."""
    migrations, data, count = folder / "migrations", folder / "data", 0
    catalogs.tables(migrations, 1, 3)
    data.mkdir()
    for number in range(1, 9):
        one = ground.sqlite(data, f"project_{number}.db")
        one.script("")
        ground.succeed(["--migrations", migrations, "upgrade", "0001"], folder, DATABASE_URL=one.url)
    backup = ["--backup", str(folder / "copies")] if rng.random() < 0.5 else []
    common = ["--migrations", str(migrations), "fleet"]
    files = ["--sqlite", str(data / "project_*.db")]
    begin = [*common, "upgrade", *files, *backup, "--jobs", "2"]
    count += killed(rng, ground, begin, folder, 0.1)
    for _ in range(rng.randrange(3)):
        status, _ = ground.run([*common, "resume", *files], folder) if rng.random() < 0.3 else (None, None)
        if status is None:
            count += killed(rng, ground, [*common, "resume", *files, "--jobs", "2"], folder, 0.1)
    # What died before it was written down has no run to resume.
    ground.run([*common, "resume", *files], folder)
    ground.succeed([*common, "upgrade", *files], folder)
    for number in range(1, 9):
        one = ground.sqlite(data, f"project_{number}.db")
        catalogs.expect_whole(one, ["0001", "0002", "0003"], killed=True)
    copies = folder / "copies"
    halves = [path.name for path in copies.rglob("*.new")] if copies.exists() else []
    expect(not halves or count, f"half copies without a kill: {halves}")
    return count
