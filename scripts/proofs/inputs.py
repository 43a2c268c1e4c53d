"""Inputs that make no sense: a clear refusal, nothing changed, no secret told, nobody hangs."""

import hashlib
import http.client
import json
import os
import time

from . import catalogs, nats
from .events import Replica
from .ground import PASSWORD, Fault, expect, finish

NAME, UNIT, AIM = "inputs", "inputs", 2_000
ABOUT = "bad inputs: command lines, URLs, folders, files, requests, messages"
ODD = ["", " ", "\t", "a\nb", "\x1b[31m", "'; DROP TABLE t1; --", "../../etc/passwd", "%00", "%s%n", "\u202e", "é", "𝕏" * 40, "-1", "+0", "99999999999999999999", "0x10", "1e9", "null", "NaN", "{}", "[]", "--", "-", "=", "A" * 5000]


def possible():
    return None


def play(rng, ground, folder):
    return rng.choice((command_lines, urls, folders, files, requests, messages))(rng, ground, folder)


def print_of(folder):
    """A digest of every file below a folder; a lock file or a journal of SQLite counts as well."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.is_symlink()}\n".encode(errors="surrogateescape"))
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def refuses(ground, arguments, folder, watched, **environment):
    """Runs it; what fails must say why, change nothing and tell no secret. Counts 1 when it was refused."""
    before = print_of(watched)
    try:
        process = ground.start(arguments, folder, **environment)
    except (ValueError, OSError):
        # No system passes a NUL or so long a word to a program.
        return 0
    status, said = finish(process)
    what = f"{arguments} {environment}"
    expect(status in (0, 1, 2, 3, 4, 5), f"{what} ends with {status}: {said}")
    expect(PASSWORD not in said, f"{what} tells the password: {said}")
    expect("\x1b[31m" not in said, f"{what} sends control characters to the terminal: {said!r}")
    if status == 0:
        return 0
    expect(len(said.strip()) > 10, f"{what} ends with {status} and says nothing")
    if status != 4:
        expect(print_of(watched) == before, f"{what} was refused with {status} and changed something: {said}")
    return 1


def prepared(ground, folder):
    """A database at the second of three migrations."""
    data, migrations = folder / "data", folder / "migrations"
    data.mkdir()
    catalogs.tables(migrations, 1, 3)
    database = ground.sqlite(data)
    ground.succeed(["--migrations", migrations, "upgrade", "0002"], folder, DATABASE_URL=database.url)
    return database, migrations, data


VERBS = ["upgrade", "downgrade", "redo", "current", "history", "heads", "check", "stamp", "adopt", "repair", "revision"]
FLAGS = ["--json", "--dry-run", "--sql", "--lock-wait", "--lock-timeout", "--yes", "--force", "--resume", "--reason", "-m", "--single-transaction", "--statement-timeout", "-v", "-q"]


def command_lines(rng, ground, folder):
    database, migrations, data = prepared(ground, folder)
    count = 0
    for _ in range(20):
        words = [rng.choice([*VERBS, "fleet", "upgrad", ""])]
        for _ in range(rng.randrange(4)):
            words.append(rng.choice([rng.choice(FLAGS), rng.choice(ODD), rng.choice(["base", "head", "0002", "+9", "-9", "0004", "zero"])]))
        words = [word for word in words if "\0" not in word]
        # `base` with `--yes` is no mistake, and a new migration is made in its folder.
        if "revision" in words or "--yes" in words:
            continue
        arguments = ["--migrations", migrations, *words]
        before = database.tables()
        count += refuses(ground, arguments, folder, data, DATABASE_URL=database.url)
        if database.tables() != before:
            ground.succeed(["--migrations", migrations, "upgrade"], folder, DATABASE_URL=database.url)
    return count


def urls(rng, ground, folder):
    _, migrations, data = prepared(ground, folder)
    secret = f"postgres://ada:{PASSWORD}@127.0.0.1:1/shop"
    count = 0
    for _ in range(20):
        url = list(rng.choice([secret, secret + "?sslmode=require", f"postgres://127.0.0.1:1/x?user=ada&password={PASSWORD}", "sqlite:data/none/app.db", "sqlite:///", f"mysql://ada:{PASSWORD}@h/db"]))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(url) + 1)
            url[at : at + rng.randrange(3)] = rng.choice(["@", ":", "/", "?", "&", "=", "%", "%zz", "#", "[", "]", " ", "é", "options=-c", ",", "\\"])
        text = "".join(url)
        # A password that was cut or split is no longer the one to look for.
        count += refuses(ground, ["--migrations", migrations, "current"], folder, data, DATABASE_URL=text, PGCONNECT_TIMEOUT="2")
    return count


def folders(rng, ground, folder):
    count = 0
    for number in range(12):
        place = folder / str(number)
        place.mkdir()
        database, migrations, data = prepared(ground, place)
        spoil(rng, migrations)
        count += refuses(ground, ["--migrations", migrations, "upgrade"], place, data, DATABASE_URL=database.url)
    return count


def spoil(rng, migrations):
    """One thing in the folder that no tool should take."""
    last = migrations / "0003_create_t3"
    up = last / "up.sql"
    choice = rng.randrange(12)
    noise = bytes(rng.randrange(256) for _ in range(200))
    if choice == 0:
        up.write_bytes(noise)
    elif choice == 1:
        up.write_text("CREATE TABLE t3 (id INTEGER, text TEXT DEFAULT 'open")
    elif choice == 2:
        up.write_text("BEGIN; CREATE TABLE t3 (id INTEGER); COMMIT;")
    elif choice == 3:
        (last / "metadata.toml").write_bytes(rng.choice([noise, b"run_in_transaction = maybe\n", b"unknown = 1\n", b"[underpin]\nforeign_keys = 3\n"]))
    elif choice == 4:
        up.unlink()
    elif choice == 5:
        last.rename(migrations / "0002_twice")
    elif choice == 6:
        up.write_text("-- nothing\n")
    elif choice == 7:
        last.rename(migrations / rng.choice(["no_version", "0003\x1b[31m", "0003\nb"]))
    elif choice == 8:
        up.write_text("CREATE TABLE t3 (id INTEGER);\0 SELECT 1;")
    elif choice == 9:
        up.write_bytes("CREATE TABLE t3 (id INTEGER);".encode("utf-16"))
    elif choice == 10:
        (migrations / "0001_create_t1" / "up.sql").write_text("CREATE TABLE t1 (id TEXT);")
    else:
        up.write_text("INSERT INTO t1 VALUES (1, 'again');")


def files(rng, ground, folder):
    count = 0
    for number in range(12):
        place = folder / str(number)
        place.mkdir()
        database, migrations, data = prepared(ground, place)
        whole = database.file.read_bytes()
        choice = rng.randrange(7)
        if choice == 0:
            database.file.write_bytes(whole[: rng.randrange(1, len(whole))])
        elif choice == 1:
            at = rng.randrange(len(whole) - 64)
            database.file.write_bytes(whole[:at] + bytes(rng.randrange(256) for _ in range(64)) + whole[at + 64 :])
        elif choice == 2:
            database.file.write_bytes(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9000))))
        else:
            database.file.unlink()
            if choice == 3:
                database.file.mkdir()
            elif choice == 4:
                os.mkfifo(database.file)
            elif choice == 5:
                database.file.symlink_to(database.file)
            else:
                database.file.write_text("CREATE TABLE t1 (id INTEGER);\n")
        count += refuses_file(ground, migrations, place, data, database)
    return count


def refuses_file(ground, migrations, place, data, database):
    # What reads a pipe would wait for ever; a damaged page that no table has may go unnoticed.
    regular = database.file.is_file()
    watched = data if regular else migrations
    return refuses(ground, ["--migrations", migrations, "upgrade"], place, watched, DATABASE_URL=database.url)


def requests(rng, ground, folder):
    replica = Replica(ground, folder, ground.sqlite(folder).url, "")
    replica.wait_until_ready()
    with http_connection(replica) as connection:
        made = exchange(connection, "POST", "/api/v1/projects", {"Content-Type": "application/json"}, b'{"name":"one"}')
    expect(made[0] == 201, f"a project is not made: {made}")
    document = json.loads(fetch(replica, "/openapi.json"))
    routes = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods if method in ("get", "post", "put", "patch", "delete")]
    count = 0
    for _ in range(150):
        method, path = rng.choice(routes)
        path = "/".join(filled(rng, part) for part in path.split("/"))
        if rng.random() < 0.3:
            path += "?" + "&".join(f"{rng.choice(['limit', 'offset', 'after', 'status', 'x'])}={rng.choice(['-1', '1e9', '%ff', 'a' * 3000, '', '1'])}" for _ in range(rng.randrange(1, 5)))
        headers = {rng.choice(["Content-Type", "If-Match", "Authorization", "Origin", "Last-Event-ID", "Accept", "Range"]): rng.choice(["application/json", "text/plain", '"1", "2"', "*", "Bearer x", "http://evil.example", "-1", "bytes=9-1", "é".encode("latin-1").decode("latin-1")])}
        body = odd_body(rng)
        if method == "GET" and path.endswith("/events"):
            continue
        with http_connection(replica) as connection:
            status, said = exchange(connection, method, path, headers, body)
        expect(status < 500 or status == 503 and b"project" in said, f"{method} {path} {headers} {body[:200]} is answered with {status}: {said[:500]}")
        expect(replica.process.poll() is None, f"{method} {path} ends the service")
        count += status >= 400
    return count


def filled(rng, part):
    if not part.startswith("{"):
        return part
    return rng.choice(["1", "1", "1", "0", "-1", "+1", "01", "99999999999999999999", "%00", "a", "%2e%2e", "1%2f2", "1 "]).replace(" ", "%20")


def odd_body(rng):
    deep = "[" * 3000
    return rng.choice(
        [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", deep.encode(), b'{"name":null}', b'{"title":5}', b'{"title":"\\ud800"}', b'{"title":"a","title":"b"}', b'{"priority":1e400}', b'{"description":"' + b"x" * 70_000 + b'"}', b'{"unknown":1}']
    )


class http_connection:  # noqa: N801: used as a statement
    def __init__(self, replica):
        self.connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=20)

    def __enter__(self):
        return self.connection

    def __exit__(self, *_):
        self.connection.close()


def exchange(connection, method, path, headers, body):
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(100_000)
    except TimeoutError as hang:
        raise Fault(f"{method} {path} is not answered: {hang}") from None
    except (http.client.HTTPException, ConnectionError, ValueError):
        # The service closed the connection over a head that no client may send, or this one refused to.
        return 400, b""


def fetch(replica, path):
    with http_connection(replica) as connection:
        return exchange(connection, "GET", path, {}, None)[1]


SUBJECTS = ["message.log", "user.joined", "user.left", "stats.user_count", "stats.high_water", "status.update", "action.pm_command", "messages.outbound.mark_sent", "messages.outbound.mark_failed"]


def messages(rng, ground, folder):
    database, bus = ground.sqlite(folder), nats.Server(ground, folder)
    replica = Replica(ground, folder, database.url, bus.url)
    replica.wait_until_ready()
    payloads = []
    for _ in range(100):
        fields = {rng.choice(["username", "message", "timestamp", "count", "status_data", "x"]): rng.choice([None, 5, -(2**63), 1e400, True, [], {}, "", "\0", "x" * 5000, "\U0001f600" * 300]) for _ in range(rng.randrange(4))}
        text = rng.choice([json.dumps(fields).encode(), json.dumps(fields).encode()[:-1], b"", b"\xff" * 9, b"[" * 2000, b"null"])
        payloads.append((f"rosey.db.{rng.choice(SUBJECTS)}", text))
    payloads.append(("rosey.db.user.joined", b'{"username":"the last"}'))
    try:
        nats.Publisher(bus.port).publish(payloads, time.monotonic() + 60)
    except TimeoutError as error:
        raise Fault(str(error)) from None
    end = time.monotonic() + 30
    while database.texts("SELECT count(*) FROM user_stats WHERE username = 'the last'") != ["1"]:
        expect(time.monotonic() < end, "an event after a hundred odd ones is not applied")
        expect(replica.process.poll() is None, "an odd event ends the service")
        time.sleep(0.05)
    log = (folder / "service.log").read_text(errors="replace")
    expect("panicked" not in log, f"the service panics: {log[-2000:]}")
    return len(payloads) - 1
