"""What may be on a disk after the power failed, given what was done to its files until then.

What was written is on the disk when its file was synced afterwards. A name is there, or gone, when its folder was
synced afterwards. Of everything else any part may be there: some changes and not others, some pages of a write.
"""

import os

PAGE = 4096
CHOICES = ("nothing", "everything", "bytes", "names", "first", "any")


class Disk:
    def __init__(self, folder, changes, numbers):
        """`folder` as it was before the changes, with the number that each of its files has in them."""
        self.changes = changes
        self.content = {number: (folder / name).read_bytes() for name, number in numbers.items()}
        self.names = dict(numbers)
        self.folders = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir()} | {"."}

    def after(self, point, choice, rng):
        """Names and contents when the power fails after so many changes."""
        first = rng.randrange(point + 1)

        def survives(at, is_name):
            if choice == "any":
                return rng.random() < 0.5
            if choice == "first":
                return at < first
            return choice == "everything" or choice == ("names" if is_name else "bytes")

        return self.names_after(point, survives), self.contents_after(point, survives, choice == "any" and rng)

    def contents_after(self, point, survives, pages):
        content = {number: bytearray(data) for number, data in self.content.items()}
        # What the program itself reads back, which is what a copy copies.
        current = {number: bytearray(data) for number, data in self.content.items()}
        waiting = {}
        for at, (_, kind, file, *rest) in enumerate(self.changes[:point]):
            if kind in ("bytes", "length", "copy"):
                change = self.as_bytes(kind, file, rest, current)
                write(current.setdefault(file, bytearray()), *change)
                waiting.setdefault(file, []).append((at, change))
            elif kind == "sync":
                for _, change in waiting.pop(file, []):
                    write(content.setdefault(file, bytearray()), *change)
        for file, changes in waiting.items():
            for at, (offset, data) in changes:
                if not pages:
                    if survives(at, False):
                        write(content.setdefault(file, bytearray()), offset, data)
                    continue
                for page, piece in in_pages(offset, data):
                    if survives(at, False):
                        write(content.setdefault(file, bytearray()), page, piece)
        return content

    @staticmethod
    def as_bytes(kind, file, rest, current):
        if kind == "length":
            return rest[0], None
        if kind == "bytes":
            offset, data = rest
            return len(current.get(file, b"")) if offset is None else offset, data
        offset, source, start, count = rest
        return offset, bytes(current.get(source, bytes(start + count))[start : start + count])

    def names_after(self, point, survives):
        names, folders, waiting = dict(self.names), set(self.folders), []
        for at, (_, kind, *rest) in enumerate(self.changes[:point]):
            if kind in ("name", "no name", "folder"):
                waiting.append([at, kind, rest, {os.path.dirname(rest[0]) or "."}])
            elif kind == "move":
                # The new name is there with its folder; the old one goes with its own, and never alone.
                waiting.append([at, "name", rest[1:], {os.path.dirname(rest[1]) or "."}])
                waiting.append([at, "no name", rest[:1], {os.path.dirname(one) or "." for one in rest[:2]}])
            elif kind == "sync names":
                for change in waiting:
                    change[3].discard(rest[0])
        for at, kind, rest, unsynced in waiting:
            if unsynced and not survives(at, True):
                continue
            if kind == "folder":
                folders.add(rest[0])
            elif kind == "name":
                names[rest[0]] = rest[1]
            else:
                names.pop(rest[0], None)
        return {name: file for name, file in names.items() if reachable(name, folders)}, folders


def reachable(name, folders):
    """A file is lost with any folder above it."""
    folder = os.path.dirname(name) or "."
    return folder in folders and (folder == "." or reachable(folder, folders))


def write(content, offset, data):
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def in_pages(offset, data):
    if data is None:
        yield offset, None
        return
    end = offset + len(data)
    while offset < end:
        edge = min(end, (offset // PAGE + 1) * PAGE)
        yield offset, data[: edge - offset]
        data = data[edge - offset :]
        offset = edge


def put(where, names, folders, content):
    """Makes it a folder. Two names of one file are one file again."""
    for folder in sorted(folders):
        if reachable(folder, folders):
            (where / folder).mkdir(parents=True, exist_ok=True)
    made = {}
    for name, file in names.items():
        if file in made:
            os.link(made[file], where / name)
        else:
            (where / name).write_bytes(content.get(file, b""))
            made[file] = where / name
