"""A PgBouncer in transaction mode in front of a database's server."""

import os
import subprocess
import urllib.parse

from .ground import free_port, program, wait_for_port


class PgBouncer:
    def __init__(self, ground, folder, database):
        server = urllib.parse.urlsplit(database.url)
        port, home = free_port(), folder / "bouncer"
        home.mkdir()
        home.chmod(0o777)
        password = urllib.parse.unquote(server.password or "")
        files = {
            "users": f'"{server.username}" "{password}"\n',
            "log": "",
            "config": (
                f"[databases]\n* = host={server.hostname} port={server.port or 5432}\n\n[pgbouncer]\npool_mode = transaction\n"
                f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {home}/users\n"
                f"logfile = {home}/log\nmax_client_conn = 500\ndefault_pool_size = 10\nignore_startup_parameters = options\n"
            ),
        }
        for name, text in files.items():
            (home / name).write_text(text)
            (home / name).chmod(0o666)
        # It refuses to be root.
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program("pgbouncer"), *user, "-q", str(home / "config")], **quiet)
        ground.at_end(lambda: (process.kill(), process.wait()))
        wait_for_port(port, process, "pgbouncer")
        self.place = f"{server.username}:{server.password or ''}@127.0.0.1:{port}"

    def url(self, database):
        return urllib.parse.urlsplit(database.url)._replace(netloc=self.place).geturl()
