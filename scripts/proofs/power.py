"""Power failures: a run is recorded, and the disk is made as it may be when the power fails at a point of it.

Whatever was answered until then must be there when the program starts on that disk, and nothing may be stuck.
"""

import contextlib
import json
import shutil
import sqlite3
import time
import urllib.error
import urllib.request
import uuid

from . import catalogs, disk, nats, trace
from .events import Replica, settle
from .ground import Sqlite, expect, free_port, program

NAME, UNIT, AIM = "power", "disks", 5_000
ABOUT = "power failures replayed: projects, artifacts, tasks, events, jobs, a start that migrates, upgrade, adoption, fleet"
# Points that are tried of each recording.
DISKS = 12


def possible():
    missing = [name for name in ("strace", "nats-server") if program(name) is None]
    return f"no program `{missing[0]}`" if missing else None


def play(rng, ground, folder):
    recording = Recording(rng.choice(scenes()), rng, ground, folder)
    for number in range(DISKS):
        recording.fail_at(rng.randrange(1, len(recording.changes) + 1), number)
    return DISKS


def scenes():
    """Services work with projects and artifacts, which differ from seed to seed, so there are several of them."""
    return (Service, Service, Service, Service, Events, Retention, Start, Upgrade, Adopt, Fleet)


class Recording:
    """A scene that was played once, and everything that it did to its files."""

    def __init__(self, scene, rng, ground, folder):
        self.rng, self.folder = rng, folder
        self.scene = scene(rng, ground, folder / "before")
        self.scene.prepare()
        shutil.copytree(self.scene.folder, folder / "copy", symlinks=True)
        reader = trace.Reader(self.scene.folder)
        numbers = dict(reader.names)
        self.told = self.scene.record(folder / "calls")
        self.changes = reader.read(folder / "calls")
        expect(self.changes, "nothing was recorded")
        self.disk = disk.Disk(folder / "copy", self.changes, numbers)

    def fail_at(self, point, number):
        """The power fails after so many changes, and the program starts on what the disk has."""
        choice = self.rng.choice(disk.CHOICES)
        (names, folders), content = self.disk.after(point, choice, self.rng)
        after = self.folder / f"after-{number}"
        disk.put(after, names, folders, content)
        # Whatever was told before the next change began must be true.
        until = self.changes[point][0] if point < len(self.changes) else float("inf")
        try:
            self.scene.check(after, [what for when, what in self.told if when < until])
        except Exception as error:
            recent = [change[1:4] for change in self.changes[max(0, point - 12) : point]]
            short = [tuple(len(part) if isinstance(part, bytes) else part for part in change) for change in recent]
            name = type(self.scene).__name__
            expect(False, f"{name}, after change {point} of {len(self.changes)}, {choice} of what was not synced: {error}; before it: {short}")
        shutil.rmtree(after)


class Api:
    """The API of projects, as a client uses it."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/v1/projects"

    def ask(self, method, path, body=None, headers=None):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = headers or {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def json(self, method, path, body=None, headers=None):
        status, said = self.ask(method, path, body, headers)
        expect(status < 300, f"{method} {path}: {status} {said[:300]}")
        return json.loads(said) if said else None

    def upload(self, project, content):
        line = uuid.uuid4().hex
        parts = f'--{line}\r\nContent-Disposition: form-data; name="artifact_type"\r\n\r\nlog\r\n'
        parts += f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        body = parts.encode() + content + f"\r\n--{line}--\r\n".encode()
        return self.json("POST", f"/{project}/artifacts/upload", body, {"Content-Type": f"multipart/form-data; boundary={line}"})["id"]

    def all(self, path):
        """Every row of a list."""
        found = self.json("GET", path)
        return found if isinstance(found, list) else next(value for value in found.values() if isinstance(value, list))

    def state(self):
        """Everything that can be seen: for each project its state, its tasks and its contents. An archived one is
        restored for that, which must be possible."""
        seen = {}
        # The repair may bring a project from one list to the other meanwhile.
        for state in ("archived", "ready", "archived"):
            for number in [project["id"] for project in self.all(f"?state={state}&limit=100")]:
                if number in seen:
                    continue
                if state == "archived":
                    status, said = self.ask("POST", f"/{number}/restore")
                    expect(status < 300 or b"is ready" in said, f"project {number} cannot be restored: {status} {said[:200]}")
                seen[number] = [state, *self.of(number)]
        return seen

    def of(self, number):
        tasks = sorted(task["title"] for task in self.all(f"/{number}/tasks?limit=100"))
        contents = {}
        for artifact in self.all(f"/{number}/artifacts?limit=100"):
            status, said = self.ask("GET", f"/{number}/artifacts/{artifact['id']}/download")
            expect(status == 200, f"artifact {artifact['id']} of project {number}: {status} {said[:200]}")
            contents[artifact["id"]] = said.decode()
        return tasks, contents


class Scene:
    """A folder, what is recorded in it, and what must be true afterwards."""

    def __init__(self, rng, ground, folder):
        self.rng, self.ground, self.folder = rng, ground, folder
        folder.mkdir()


class Service(Scene):
    """A client works with projects: each answer is told, and the next one may be half done."""

    def prepare(self):
        service = Served(self.ground, self.folder)
        api = Api(service.port)
        self.projects, self.states, self.number = {}, [], 0
        for _ in range(2):
            self.act(api, "create")
        for _ in range(6):
            self.act(api, self.rng.choice(("task", "upload")))
        if self.rng.random() < 0.7:
            self.act(api, "archive")
        service.stop()

    def record(self, file):
        service = Served(self.ground, self.folder, file)
        api, told = Api(service.port), []
        self.states = [self.snapshot()]
        for _ in range(8):
            self.act(api, self.rng.choice(("create", "task", "task", "upload", "delete", "archive", "archive", "restore", "purge")))
            self.states.append(self.snapshot())
            told.append((time.time(), len(self.states) - 1))
            # What follows is no part of the answer.
            time.sleep(0.05)
        service.kill()
        return told

    def snapshot(self):
        return {number: [state, sorted(tasks), dict(contents)] for number, (state, tasks, contents) in self.projects.items()}

    def act(self, api, action):
        """Does it, where there is something to do it to."""
        self.number += 1
        ready = [number for number, project in self.projects.items() if project[0] == "ready"]
        archived = [number for number, project in self.projects.items() if project[0] == "archived"]
        filled = [number for number in ready if self.projects[number][2]]
        if action == "create":
            made = api.json("POST", "", {"name": f"project {self.number}"})
            self.projects[made["id"]] = ["ready", [], {}]
        elif action == "task" and ready:
            project = self.rng.choice(ready)
            api.json("POST", f"/{project}/tasks", {"title": f"task {self.number}"})
            self.projects[project][1].append(f"task {self.number}")
        elif action == "upload" and ready:
            project, content = self.rng.choice(ready), f"{self.number} " * self.rng.randrange(1, 20_000)
            self.projects[project][2][api.upload(project, content.encode())] = content
        elif action == "delete" and filled:
            project = self.rng.choice(filled)
            artifact = self.rng.choice(list(self.projects[project][2]))
            api.json("DELETE", f"/{project}/artifacts/{artifact}")
            del self.projects[project][2][artifact]
        elif action == "archive" and len(ready) > 1:
            project = self.rng.choice(ready)
            api.json("DELETE", f"/{project}")
            self.projects[project][0] = "archived"
        elif action in ("restore", "purge") and archived:
            project = self.rng.choice(archived)
            api.json("POST", f"/{project}/{action}")
            if action == "purge":
                del self.projects[project]
            else:
                self.projects[project][0] = "ready"

    def check(self, after, told):
        if self.rng.random() < 0.5:
            a_minute_passes(after / "app.db")
        with contextlib.closing(Served(self.ground, after)) as service:
            seen = Api(service.port).state()
            done = told[-1] if told else 0
            allowed = self.states[done : done + 2]
            expect(seen in allowed or mixed(seen, allowed), f"expected one of {short(allowed)}, found {short(seen)}")
            # Nothing is stuck: whatever can be done to projects can be done.
            api = Api(service.port)
            made = api.json("POST", "", {"name": f"another {self.number}"})["id"]
            api.json("DELETE", f"/{made}")
            api.json("POST", f"/{made}/purge")


def mixed(seen, allowed):
    """A request that was not answered may be half done where each half is whole: a project is archived or not."""
    if len(allowed) < 2:
        return False
    before, after = allowed
    return all(seen.get(number) in (before.get(number), after.get(number)) for number in {*before, *after, *seen})


def short(states):
    """Without the contents of artifacts, which are long."""
    if isinstance(states, list):
        return [short(one) for one in states]
    return {number: [state, tasks, {one: (text[:6], len(text)) for one, text in contents.items()}] for number, (state, tasks, contents) in states.items()}


class Start(Scene):
    """A service starts on a database that is behind, and migrates it."""

    def prepare(self):
        self.ground.succeed(["--set", "bot", "upgrade", "+1"], self.folder, DATABASE_URL=Sqlite(self.folder / "app.db").url)
        with contextlib.closing(sqlite3.connect(self.folder / "app.db")) as connection:
            connection.executemany("INSERT INTO recent_chat (timestamp, username, message) VALUES (?, 'ada', 'x')", [(int(time.time()),)] * 500)
            connection.commit()

    def record(self, file):
        service = Served(self.ground, self.folder, file)
        told = [(time.time(), "ready")]
        service.kill()
        return told

    def check(self, after, told):
        if told:
            status, said = self.ground.run(["--set", "bot", "check"], after, DATABASE_URL=Sqlite(after / "app.db").url)
            expect(status == 0, f"it was ready, and is behind: {said}")
        with contextlib.closing(Served(self.ground, after)):
            database = Sqlite(after / "app.db")
            database.check()
            expect(database.texts("SELECT count(*) FROM recent_chat") == ["500"], "rows are gone")


class Events(Scene):
    """Events of a stream are applied in groups: the stream keeps them, so each is counted exactly once."""

    LINES = 600

    def prepare(self):
        self.bus = nats.Server(self.ground, self.folder.parent)
        Served(self.ground, self.folder, nats_url=self.bus.url).stop()

    def record(self, file):
        service = Served(self.ground, self.folder, file, nats_url=self.bus.url)
        messages = [("rosey.db.user.joined", {"username": "ada"})]
        messages += [("rosey.db.message.log", {"username": "ada", "message": f"line {number}"}) for number in range(self.LINES)]
        sent = [(subject, json.dumps(payload).encode()) for subject, payload in messages]
        nats.Publisher(self.bus.port).publish(sent, time.monotonic() + 30)
        settle(Sqlite(self.folder / "app.db"), self.LINES, [])
        service.kill()
        return []

    def check(self, after, _told):
        database = Sqlite(after / "app.db")
        with contextlib.closing(Served(self.ground, after, nats_url=self.bus.url)):
            settle(database, self.LINES, [])
        kept = database.texts("SELECT message FROM recent_chat ORDER BY id")
        expect(kept == [f"line {number}" for number in range(self.LINES)], "lines are missing, doubled or out of order")


class Retention(Scene):
    """A job deletes what is old, and nothing else."""

    def prepare(self):
        served = Served(self.ground, self.folder)
        served.stop()
        now = int(time.time())
        with contextlib.closing(sqlite3.connect(self.folder / "app.db")) as connection:
            rows = [(now - age, f"{age}") for age in [*range(200), *range(30 * 86_400, 30 * 86_400 + 3_000)]]
            connection.executemany("INSERT INTO recent_chat (timestamp, username, message) VALUES (?, 'ada', ?)", rows)
            connection.execute("INSERT OR REPLACE INTO job_runs (job, last_run) VALUES ('retention', ?)", (now - 7 * 3_600,))
            connection.commit()

    def record(self, file):
        service = Served(self.ground, self.folder, file)
        time.sleep(1.5)
        service.kill()
        return []

    def check(self, after, _told):
        with contextlib.closing(Served(self.ground, after)):
            database = Sqlite(after / "app.db")
            database.check()
            young = database.texts("SELECT count(*) FROM recent_chat WHERE CAST(message AS INTEGER) < 200")
            expect(young == ["200"], f"{young} of 200 young rows are left")


class Command(Scene):
    """A command that says that it is done."""

    def record(self, file):
        command, environment = self.ground.command(self.arguments(self.folder), **self.environment(self.folder))
        with open(self.folder.parent / "log", "ab") as log:
            traced = trace.Traced(command, environment, self.folder, file, log)
            expect(traced.process.wait(90) == 0, "the command fails")
        return [(time.time(), "done")]

    def environment(self, folder):
        return {"DATABASE_URL": Sqlite(folder / "app.db").url}


class Upgrade(Command):
    """An upgrade with a rebuild."""

    def arguments(self, _folder):
        return ["--migrations", self.folder.parent / "migrations", "upgrade"]

    def prepare(self):
        migrations = self.folder.parent / "migrations"
        self.versions = catalogs.make(migrations, "plain", "sqlite")
        rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\nINSERT INTO new SELECT * FROM t1;\nDROP TABLE t1;\nALTER TABLE new RENAME TO t1;\n"
        catalogs.write(migrations, "0020_rebuild", rebuild, "SELECT 1;\n")
        (migrations / "0020_rebuild" / "metadata.toml").write_text("run_in_transaction = true\n[underpin]\nforeign_keys = false\n")
        self.ground.succeed(["--migrations", migrations, "upgrade", "+2"], self.folder, **self.environment(self.folder))

    def check(self, after, told):
        database = Sqlite(after / "app.db")
        if told:
            expect(catalogs.applied(database)[-1:] == ["0020"], "it was done, and is not")
        self.ground.succeed(self.arguments(after), after, **self.environment(after))
        database.check()
        expect(catalogs.applied(database) == [*self.versions, "0020"], "not all is applied, or not in order")
        expect(database.texts("SELECT text FROM t1") == ["a; b"], "the row is not what it was")


class Adopt(Upgrade):
    """A database without a history is recognised."""

    def prepare(self):
        super().prepare()
        Sqlite(self.folder / "app.db").script("DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history;")


class Fleet(Command):
    """A run over a fleet, with copies of what was there before."""

    def arguments(self, folder):
        migrations = self.folder.parent / "migrations"
        return ["--migrations", migrations, "fleet", "upgrade", "--sqlite", folder / "project_*.db", "--backup", folder / "copies", "--jobs", "2"]

    def environment(self, _folder):
        return {}

    def prepare(self):
        migrations = self.folder.parent / "migrations"
        catalogs.tables(migrations, 1, 3)
        for number in range(1, 4):
            one = Sqlite(self.folder / f"project_{number}.db")
            one.script("")
            self.ground.succeed(["--migrations", migrations, "upgrade", "0001"], self.folder, DATABASE_URL=one.url)

    def check(self, after, told):
        files = [Sqlite(after / f"project_{number}.db") for number in range(1, 4)]
        if told:
            expect(all(catalogs.applied(one)[-1:] == ["0003"] for one in files), "it was done, and is not")
            expect(len(list((after / "copies").rglob("*.db"))) == 3, "a copy is gone")
        for one in files:
            # What was changed has its copy, whole and as it was.
            if catalogs.applied(one) != ["0001"]:
                copies = [path for path in (after / "copies").rglob("*.db") if one.file.name in path.name]
                expect(copies and all(catalogs.applied(Sqlite(copy)) == ["0001"] for copy in copies), f"{one.file.name} was changed and has no copy")
        common = ["--migrations", self.folder.parent / "migrations", "fleet"]
        self.ground.run([*common, "resume", "--sqlite", after / "project_*.db"], after)
        self.ground.succeed([*common, "upgrade", "--sqlite", after / "project_*.db"], after)
        for one in files:
            catalogs.expect_whole(one, ["0001", "0002", "0003"], killed=True)


class Served(Replica):
    """A service on the files of a folder, recorded or not."""

    def __init__(self, ground, folder, calls=None, nats_url=""):
        self.calls = calls
        super().__init__(ground, folder, Sqlite(folder / "app.db").url, nats_url)
        self.wait_until_ready()

    def start(self):
        if self.calls is None:
            super().start()
            return
        self.port = free_port()
        environment = {**self.environment, "HTTP_ADDR": f"127.0.0.1:{self.port}"}
        with open(self.folder.parent / "service.log", "ab") as log:
            self.traced = trace.Traced([str(self.ground.service)], environment, self.folder, self.calls, log)
        self.process = self.traced.process

    def kill(self):
        if self.calls is None:
            super().kill()
        else:
            self.traced.kill()

    close = kill

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def a_minute_passes(file):
    """The repair comes round, and what was begun before is no more at work."""
    if not file.exists():
        return
    with contextlib.closing(sqlite3.connect(file)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("UPDATE registered_projects SET updated_at = '2020-01-01 00:00:00'")
            connection.execute("UPDATE job_runs SET last_run = last_run - 120 WHERE job = 'repair'")
            connection.commit()
