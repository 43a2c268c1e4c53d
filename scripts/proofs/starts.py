"""Services that are killed while they start and migrate: the next start serves, with the schema of an undisturbed one."""

import time

from .events import Replica
from .ground import expect

# The schema that an undisturbed start makes and how long it takes, by dialect.
UNDISTURBED = {}

POSTGRES_SCHEMA = """
SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S')
UNION ALL SELECT format('constraint %s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
"""
SQLITE_SCHEMA = "SELECT type || ' ' || name || ': ' || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1"


def schema(database):
    return database.texts(SQLITE_SCHEMA if database.dialect == "sqlite" else POSTGRES_SCHEMA)


def undisturbed(ground, folder, dialect):
    if dialect not in UNDISTURBED:
        place = folder / "undisturbed"
        place.mkdir()
        database = ground.sqlite(place) if dialect == "sqlite" else ground.postgres()
        begin = time.monotonic()
        replica = Replica(ground, place, database.url, "")
        replica.wait_until_ready(may_end=False)
        took = time.monotonic() - begin
        replica.kill()
        UNDISTURBED[dialect] = schema(database), took
    return UNDISTURBED[dialect]


def play(rng, ground, folder, database, url):
    """A start on a database that is empty, half way or without a history is killed again and again."""
    wanted, took = undisturbed(ground, folder, database.dialect)
    state = rng.choice(("empty", "half", "legacy"))
    if state != "empty":
        ground.succeed(["--set", "bot", "upgrade", f"+{rng.randrange(1, 4)}"], folder, DATABASE_URL=url)
    if state == "legacy":
        database.script("DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history;")
    count = 0
    for _ in range(rng.randrange(1, 5)):
        replica = Replica(ground, folder, url, "")
        time.sleep(rng.random() * took)
        expect(replica.process.poll() is None, f"a start on a database that is {state} ends with {replica.process.returncode}")
        replica.kill()
        count += 1
    # Two at once wait for each other, and both for what the killed one has begun.
    for replica in [Replica(ground, folder, url, "") for _ in range(rng.choice((1, 2)))]:
        replica.wait_until_ready(may_end=False)
    found = schema(database)
    expect(found == wanted, f"the schema differs: {sorted(set(found) ^ set(wanted))}")
    twice = "SELECT version FROM underpin_history WHERE action = 'upgrade' AND outcome = 'done' GROUP BY version HAVING count(*) > 1"
    expect(not database.texts(twice), f"recorded more than once: {database.texts(twice)}")
    for name in ("bot", "registry"):
        ground.succeed(["--set", name, "check"], folder, DATABASE_URL=url)
    database.check()
    return count
