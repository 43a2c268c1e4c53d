"""What a round stands on: programs, servers, databases and a folder of its own."""

import contextlib
import os
import pathlib
import select
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

# Longer than any honest run of a round takes; what takes longer hangs.
PATIENCE = 90
PASSWORD = "canary-pass-word"


class Fault(Exception):
    """A promise that was not kept."""


def expect(condition, text):
    if not condition:
        raise Fault(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, what):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{what} does not start")


def newest(pattern):
    """The newest program that fits, by the number in its path."""
    found = sorted(pathlib.Path("/").glob(pattern.lstrip("/")), key=lambda path: [int(part) for part in path.parts if part.isdigit()])
    return found[-1] if found else None


def plain_psql():
    """psql itself: Debian's is a script that looks for it, at three times the cost."""
    return str(newest("/usr/lib/postgresql/*/bin/psql") or shutil.which("psql"))


def program(name):
    """Debian puts servers where the search path of users does not look."""
    return shutil.which(name) or (f"/usr/sbin/{name}" if os.path.exists(f"/usr/sbin/{name}") else None)


class Ground:
    """The folder is made anew for each round; servers last as long as the run."""

    def __init__(self, programs, keep):
        self.underpin, self.service = programs / "underpin", programs / "underpin-service"
        self.testkit = programs / "testkit-server"
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="underpin-prove-"))
        # Programs that must not be root, as a pooler, come in here as well.
        self.base.chmod(0o755)
        self.keeps, self.work, self.server, self.testkit_process = keep, None, None, None
        self.psql, self.closing, self.databases = plain_psql(), [], 0
        self.server_psql = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        if self.server_psql:
            self.server_psql.close()
        if self.testkit_process:
            self.testkit_process.stdin.close()
            self.testkit_process.wait()
        if not self.keeps:
            shutil.rmtree(self.base, ignore_errors=True)

    def folder(self, name):
        self.work = self.base / name
        self.work.mkdir(mode=0o755)
        return self.work

    def clear(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def keep(self, to):
        """Moves the folder of a round with a fault to where it stays."""
        to.mkdir(parents=True, exist_ok=True)
        return shutil.move(str(self.work), str(to / self.work.name))

    def at_end(self, closing):
        """Has `closing` called when the round is over."""
        self.closing.append(closing)

    def release(self):
        while self.closing:
            self.closing.pop()()

    def server_url(self):
        """The server for databases of a round; nobody kills it."""
        if self.server is None:
            given = os.environ.get("TEST_DATABASE_URL")
            if given is None:
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
                self.testkit_process = subprocess.Popen([str(self.testkit)], **pipes)
                given = self.testkit_process.stdout.readline().strip()
            self.server = urllib.parse.urlsplit(given)._replace(path="/postgres", query="").geturl()
        return self.server

    def sqlite(self, folder, name="app.db"):
        return Sqlite(folder / name)

    def postgres(self):
        self.databases += 1
        name = f"prove_{os.getpid()}_{self.databases}"
        database = Postgres(self.psql, self.server_url(), name)
        if self.server_psql is None:
            self.server_psql = Psql(self.psql, self.server_url())
        self.server_psql.ask(f"CREATE DATABASE {name} TEMPLATE template0")
        self.at_end(lambda: self.server_psql.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        self.at_end(database.psql.close)
        return database

    def command(self, arguments, **environment):
        """The command without anything that this environment says."""
        return [str(self.underpin), *map(str, arguments)], {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}

    def start(self, arguments, folder, **environment):
        argv, env = self.command(arguments, **environment)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(argv, env=env, cwd=folder, **pipes)

    def run(self, arguments, folder, **environment):
        """Runs it to its end; gives its exit status and all that it said."""
        return finish(self.start(arguments, folder, **environment))

    def succeed(self, arguments, folder, **environment):
        status, said = self.run(arguments, folder, **environment)
        expect(status == 0, f"{arguments} ends with {status}: {said}")
        return said


def finish(process):
    """Waits for its end; a process that does not end is a fault."""
    try:
        said = process.communicate(timeout=PATIENCE)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[0].decode(errors="replace")
        raise Fault(f"{process.args} hangs; it said: {said}") from None
    expect("panicked" not in said, f"{process.args} panics: {said}")
    return process.returncode, said


class Psql:
    """psql that stays, so that a question takes no process of its own. After an error it starts anew."""

    # A line that no answer is.
    END = b"-- that was all --"

    def __init__(self, program, url):
        self.command = [program, "-XqAt", "-v", "ON_ERROR_STOP=1", url]
        self.process, self.errors = None, None

    def ask(self, text):
        """Sends statements; gives the lines of their answers."""
        if self.process is None:
            self.errors = tempfile.TemporaryFile()
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
            environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
            self.process = subprocess.Popen(self.command, env=environment, **pipes)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{text}\n;\n\\echo {self.END.decode()}\n".encode())
            self.process.stdin.flush()
        said, end, until = b"", self.END + b"\n", time.monotonic() + PATIENCE
        output = self.process.stdout.fileno()
        while not said.endswith(end):
            ready = select.select([output], [], [], max(0, until - time.monotonic()))[0]
            more = os.read(output, 65536) if ready else b""
            if not more:
                raise RuntimeError(f"{text}: {self.close() or 'no answer'}")
            said += more
        return said.removesuffix(end).decode().splitlines()

    def close(self):
        """Ends it; gives what it said of errors."""
        if self.process is None:
            return ""
        self.process.kill()
        self.process.communicate()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace")
        self.errors.close()
        self.process = None
        return said


class Sqlite:
    dialect = "sqlite"

    def __init__(self, file):
        self.file, self.url = file, f"sqlite:{file}"

    def texts(self, query):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as connection:
            return [str(row[0]) for row in connection.execute(query)]

    def script(self, text):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as connection:
            connection.executescript(text)

    def tables(self):
        return self.texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")

    def check(self):
        expect(self.texts("PRAGMA integrity_check") == ["ok"], "the file is damaged")

    def left_over(self):
        """Files beside the database that only a runner at work may have."""
        return [path.name for path in self.file.parent.iterdir() if path.name.startswith(self.file.name) and ".underpin." in path.name]


class Postgres:
    dialect = "postgres"

    def __init__(self, psql, server, name):
        """The database `name` beside the one at the URL `server`, asked by the program `psql`."""
        self.url = urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
        self.psql = Psql(psql, self.url)

    def texts(self, query):
        return self.psql.ask(query)

    def script(self, text):
        self.psql.ask(text)

    def tables(self):
        return self.texts("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename COLLATE \"C\"")

    def check(self):
        broken = self.texts("SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready)")
        expect(not broken, f"invalid indexes: {broken}")

    def left_over(self):
        """Locks and leases that only a runner at work may have."""
        locks = "SELECT 'an advisory lock of process ' || pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        return self.texts(locks)
