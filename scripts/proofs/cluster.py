"""A PostgreSQL server of a round's own, which may be killed."""

import os
import pathlib
import shutil
import subprocess

from .ground import free_port, newest, wait_for_port


def programs():
    found = os.environ.get("PG_BIN_DIR") or newest("/usr/lib/postgresql/*/bin") or (shutil.which("initdb") and pathlib.Path(shutil.which("initdb")).parent)
    return pathlib.Path(found) if found else None


class Cluster:
    def __init__(self, ground, folder):
        self.folder, self.port, self.process = folder / "cluster", free_port(), None
        self.folder.mkdir(mode=0o700)
        # The server refuses to be root.
        nobody = 65534
        self.user = {}
        if os.getuid() == 0:
            os.chown(self.folder, nobody, nobody)
            self.user = {"user": nobody, "group": nobody, "extra_groups": []}
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync").check_returncode()
        self.start()
        ground.at_end(self.kill)
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def command(self, name, *arguments):
        return [str(programs() / name), "-D", str(self.folder / "data"), *arguments]

    def run(self, name, *arguments):
        return subprocess.run(self.command(name, *arguments), capture_output=True, check=False, cwd=self.folder, **self.user)

    def start(self):
        command = self.command("postgres", "-p", str(self.port), "-h", "127.0.0.1", "-F", "-k", str(self.folder))
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for _ in range(100):
            self.process = subprocess.Popen(command, cwd=self.folder, **quiet, **self.user)
            try:
                wait_for_port(self.port, self.process, "postgres")
                return
            except RuntimeError:
                # It ends at once while processes of the one that was killed are about.
                self.kill()
        raise RuntimeError("postgres does not start again")

    def kill(self):
        self.process.kill()
        self.process.wait()
