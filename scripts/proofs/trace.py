"""Records what a program does to the files of a folder, in the order in which the kernel did it."""

import os
import re
import signal
import subprocess

CALLS = (
    "openat,open,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,ftruncate,copy_file_range,sendfile,"
    "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync"
)
WHOLE = re.compile(r"^(\d+) +([\d.]+) (\w+)\((.*)\) += (-?\d+|\?)")
BEGUN = re.compile(r"^(\d+) +([\d.]+) (\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+) +([\d.]+) <\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Traced:
    """A program under strace. The file of calls is read when it has ended."""

    def __init__(self, command, environment, folder, file, log):
        strace = ["strace", "-f", "-qq", "-ttt", "-xx", "-s", "8388608", "-e", "signal=none", "-e", f"trace={CALLS}", "-o", str(file)]
        # A session of its own: a kill reaches both.
        self.process = subprocess.Popen([*strace, *command], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def calls(file):
    """Time at which it was over, name, arguments and result of each call that succeeded."""
    begun = {}
    for line in file.open(errors="replace"):
        if match := BEGUN.match(line.rstrip("\n")):
            begun[match[1]] = match[4]
            continue
        if match := ENDED.match(line):
            arguments = begun.pop(match[1], "") + match[4]
        elif match := WHOLE.match(line):
            arguments = match[4]
        else:
            continue
        if match[5] != "?" and int(match[5]) >= 0:
            yield float(match[2]), match[3], arguments, int(match[5])


def text(quoted):
    return bytes.fromhex(TEXT.search(quoted)[1].replace("\\x", ""))


class Reader:
    """Makes changes of files and names out of calls; paths are relative to the folder."""

    def __init__(self, folder):
        self.root = str(folder)
        # What a descriptor is of: a path, or a file and where it stands.
        self.open = {}
        self.names, self.count = {}, 0
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.names[str(path.relative_to(folder))] = self.new()
        self.changes = []

    def new(self):
        self.count += 1
        return self.count

    def path(self, base, name):
        name = name.decode(errors="surrogateescape")
        if not name.startswith("/"):
            at = base.strip()
            base = self.root if at == "AT_FDCWD" else self.open.get(int(at), {}).get("path", "/nowhere")
            name = os.path.join(base, name)
        return os.path.normpath(name)

    def inside(self, path):
        return os.path.relpath(path, self.root) if path == self.root or path.startswith(self.root + "/") else None

    def read(self, file):
        for when, call, arguments, result in calls(file):
            getattr(self, f"on_{call}", self.ignore)(when, arguments, result)
        return self.changes

    def ignore(self, *_):
        pass

    def change(self, when, *what):
        self.changes.append((when, *what))

    def opened(self, when, path, flags, descriptor):
        name = self.inside(path)
        entry = {"path": path, "file": None, "at": 0, "append": "O_APPEND" in flags}
        if name is not None and "O_DIRECTORY" not in flags and "O_PATH" not in flags and not os.path.isdir(path):
            if name not in self.names and "O_CREAT" in flags:
                self.names[name] = self.new()
                self.change(when, "name", name, self.names[name])
            elif name in self.names and "O_TRUNC" in flags:
                self.change(when, "length", self.names[name], 0)
            entry["file"] = self.names.get(name)
        self.open[descriptor] = entry

    def on_openat(self, when, arguments, result):
        base, quoted, flags = arguments.split(", ", 2)
        self.opened(when, self.path(base, text(quoted)), flags, result)

    def on_open(self, when, arguments, result):
        quoted, flags = arguments.split(", ", 1)
        self.opened(when, self.path("AT_FDCWD", text(quoted)), flags, result)

    def on_creat(self, when, arguments, result):
        self.opened(when, self.path("AT_FDCWD", text(arguments)), "O_CREAT|O_TRUNC", result)

    def on_close(self, _when, arguments, _result):
        self.open.pop(int(arguments), None)

    def on_dup(self, _when, arguments, result):
        self.open[result] = self.open.get(int(arguments.split(",")[0]), {})

    on_dup2 = on_dup3 = on_dup

    def on_fcntl(self, when, arguments, result):
        if "F_DUPFD" in arguments:
            self.on_dup(when, arguments, result)

    def on_lseek(self, _when, arguments, result):
        if entry := self.open.get(int(arguments.split(",")[0])):
            entry["at"] = result

    def written(self, when, descriptor, data, at=None):
        entry = self.open.get(descriptor, {})
        file = entry.get("file")
        if file is None:
            return
        if at is None:
            at = None if entry["append"] else entry["at"]
            entry["at"] += len(data)
        self.change(when, "bytes", file, at, data)

    def on_write(self, when, arguments, result):
        descriptor, rest = arguments.split(", ", 1)
        self.written(when, int(descriptor), text(rest)[:result])

    def on_pwrite64(self, when, arguments, result):
        descriptor, rest = arguments.split(", ", 1)
        self.written(when, int(descriptor), text(rest)[:result], int(rest.rsplit(", ", 1)[1]))

    def vectors(self, arguments, result):
        data = b"".join(bytes.fromhex(one.replace("\\x", "")) for one in TEXT.findall(arguments))
        return int(arguments.split(",")[0]), data[:result]

    def on_writev(self, when, arguments, result):
        self.written(when, *self.vectors(arguments, result))

    def on_pwritev(self, when, arguments, result):
        self.written(when, *self.vectors(arguments, result), int(arguments.rsplit(", ", 1)[1]))

    def on_ftruncate(self, when, arguments, _result):
        descriptor, length = arguments.split(", ")
        if (file := self.open.get(int(descriptor), {}).get("file")) is not None:
            self.change(when, "length", file, int(length))

    def copied(self, when, source, target, result):
        source, target = self.open.get(source, {}), self.open.get(target, {})
        if target.get("file") is not None:
            self.change(when, "copy", target["file"], target["at"], source.get("file"), source.get("at", 0), result)
        for entry in (source, target):
            if entry:
                entry["at"] += result

    def on_copy_file_range(self, when, arguments, result):
        parts = arguments.split(", ")
        self.copied(when, int(parts[0]), int(parts[2]), result)

    def on_sendfile(self, when, arguments, result):
        parts = arguments.split(", ")
        self.copied(when, int(parts[1]), int(parts[0]), result)

    def synced(self, when, arguments, _result):
        entry = self.open.get(int(arguments), {})
        if entry.get("file") is not None:
            self.change(when, "sync", entry["file"])
        elif (name := self.inside(entry.get("path", "/nowhere"))) is not None:
            self.change(when, "sync names", name)

    on_fsync = on_fdatasync = synced

    def paths(self, arguments, bases):
        parts = arguments.split(", ")
        return [self.inside(self.path(parts[at - 1] if based else "AT_FDCWD", text(parts[at]))) for at, based in bases]

    def moved(self, when, source, target):
        if source in self.names:
            file = self.names.pop(source)
            self.names[target] = file
            self.change(when, "move", source, target, file)

    def on_rename(self, when, arguments, _result):
        self.moved(when, *self.paths(arguments, [(0, False), (1, False)]))

    def on_renameat(self, when, arguments, _result):
        self.moved(when, *self.paths(arguments, [(1, True), (3, True)]))

    on_renameat2 = on_renameat

    def linked(self, when, source, target):
        if source in self.names:
            self.names[target] = self.names[source]
            self.change(when, "name", target, self.names[source])

    def on_link(self, when, arguments, _result):
        self.linked(when, *self.paths(arguments, [(0, False), (1, False)]))

    def on_linkat(self, when, arguments, _result):
        self.linked(when, *self.paths(arguments, [(1, True), (3, True)]))

    def removed(self, when, name):
        if self.names.pop(name, None) is not None:
            self.change(when, "no name", name)

    def on_unlink(self, when, arguments, _result):
        self.removed(when, *self.paths(arguments, [(0, False)]))

    def on_unlinkat(self, when, arguments, _result):
        if "AT_REMOVEDIR" not in arguments:
            self.removed(when, *self.paths(arguments, [(1, True)]))

    def on_mkdir(self, when, arguments, _result):
        self.made(when, *self.paths(arguments, [(0, False)]))

    def on_mkdirat(self, when, arguments, _result):
        self.made(when, *self.paths(arguments, [(1, True)]))

    def made(self, when, name):
        if name is not None:
            self.change(when, "folder", name)
