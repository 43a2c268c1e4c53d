"""Events while everything they need is killed: each one that the stream has is counted exactly once."""

import collections
import json
import os
import subprocess
import threading
import time
import urllib.request

from . import cluster, nats
from .ground import Postgres, expect, free_port, program

NAME, UNIT, AIM = "events", "events", 1_000_000
ABOUT = "events of a stream while the service, PostgreSQL and NATS are killed"
USERS = 7


def possible():
    if program("nats-server") is None:
        return "no program `nats-server`"
    return None if cluster.programs() else "no program `initdb`"


class Replica:
    """A service that is started again after each kill."""

    def __init__(self, ground, folder, database_url, nats_url):
        self.ground, self.folder = ground, folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "ENV": "production",
            "DATABASE_URL": database_url,
            "DATA_DIR": str(folder / "data"),
            "HTTP_ADDR": "",
            "NATS_URL": nats_url,
            "NATS_JETSTREAM": "true",
            "LOG_LEVEL": "warn",
        }
        self.start()
        ground.at_end(self.kill)

    def start(self):
        self.port = free_port()
        log = open(self.folder / "service.log", "ab")  # noqa: SIM115: the process has it
        environment = {**self.environment, "HTTP_ADDR": f"127.0.0.1:{self.port}"}
        self.process = subprocess.Popen([str(self.ground.service)], env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_until_ready(self, may_end=True):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                # A database or a server that was killed a moment ago may end a start; the next one waits for it.
                expect(may_end, f"the service ends with {self.process.returncode}")
                self.start()
            time.sleep(0.02)
        expect(False, "the service is not ready after 60 s")


def play(rng, ground, folder):
    if rng.random() < 0.7:
        database, server, number = ground.sqlite(folder), None, 20_000
    else:
        server = cluster.Cluster(ground, folder)
        database = Postgres(ground.psql, server.url, "postgres")
        ground.at_end(database.psql.close)
        number = 4_000
    bus = nats.Server(ground, folder)
    replicas = [Replica(ground, folder, database.url, bus.url) for _ in range(rng.choice((1, 2)))]
    for replica in replicas:
        replica.wait_until_ready()

    lines = [("rosey.db.message.log", json.dumps({"username": f"user{one % USERS}", "message": f"line {one}"}).encode()) for one in range(number)]
    joins = [("rosey.db.user.joined", json.dumps({"username": f"user{one}"}).encode()) for one in range(USERS)]
    stop, kills = threading.Event(), []

    def kill_again_and_again():
        while not stop.wait(rng.random() * 0.8):
            victims = [*replicas, bus, *([server] if server else [])]
            victim = rng.choice(victims)
            victim.kill()
            stop.wait(rng.random() * 0.3)
            victim.start()
            kills.append(type(victim).__name__)

    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    try:
        try:
            sent = nats.Publisher(bus.port).publish(joins + lines, time.monotonic() + 120)
        finally:
            stop.set()
            killer.join()
    except TimeoutError as error:
        expect(False, str(error))
    for replica in replicas:
        if replica.process.poll() is not None:
            replica.start()
    for replica in replicas:
        replica.wait_until_ready()
    # A NATS server that is killed may forget what it acknowledged a moment before.
    held = bus.held("ROSEY_DB", "rosey.db.message.log")
    settle(database, len(held), kills)
    per_user = database.texts("SELECT username || ' ' || total_chat_lines FROM user_stats WHERE username LIKE 'user%' ORDER BY username")
    lines_of = collections.Counter(json.loads(line)["username"] for line in held)
    expected = [f"{user} {lines}" for user, lines in sorted(lines_of.items())]
    expect(per_user == expected, f"lines per user are {per_user}, the stream has {expected}; killed: {kills}")
    return sent - (number - len(held))


def settle(database, number, kills):
    """Waits until the counts move no more, and expects all to be there."""
    last, since = None, time.monotonic()
    while True:
        try:
            counted = int(database.texts("SELECT coalesce(sum(total_chat_lines), 0) FROM user_stats")[0])
        except RuntimeError:
            counted = None
        if counted == number:
            # What is applied twice comes a moment later.
            time.sleep(0.3)
            return
        if counted != last:
            last, since = counted, time.monotonic()
        expect(time.monotonic() - since < 45, f"{counted} of the {number} lines in the stream are counted after {kills}")
        time.sleep(0.1)
