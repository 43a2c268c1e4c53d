"""What was tried at a commit, and what came of it: one JSON file per commit."""

import json
import os
import platform
import subprocess
import time


class Ledger:
    def __init__(self, folder, kinds, root):
        self.kinds = kinds
        commit = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=root, check=True, capture_output=True, text=True)
        self.commit = commit.stdout.strip()
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{self.commit}.json"
        if self.file.exists():
            self.counts = json.loads(self.file.read_text())
        else:
            self.counts = {"commit": self.commit, "machine": machine(), "kinds": {}}

    def of(self, name):
        return self.counts["kinds"].setdefault(name, {"tried": 0, "rounds": 0, "faults": []})

    def furthest(self, names):
        """The kind that has the smallest part of its aim, `None` when all are there."""
        parts = {name: self.of(name)["tried"] / self.kinds[name].AIM for name in names if self.kinds[name].possible() is None}
        name = min(parts, key=parts.get, default=None)
        return name if name is not None and parts[name] < 1 else None

    def note(self, name, count, seed, fault, kept):
        one = self.of(name)
        one["tried"] += count
        one["rounds"] += 1
        if fault:
            one["faults"].append({"seed": seed, "what": fault, "kept": str(kept), "when": time.strftime("%FT%TZ", time.gmtime())})
        # Whole or not at all, whenever the power goes.
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.counts, indent=1))
        os.replace(new, self.file)

    def faults(self):
        return sum(len(one["faults"]) for one in self.counts["kinds"].values())

    def print(self):
        print(f"\ncommit {self.commit}, {self.counts['machine']}\n")
        print("| attack | aim | tried | rounds | faults |")
        print("|---|--:|--:|--:|--:|")
        for name, kind in self.kinds.items():
            one = self.of(name)
            missing = kind.possible()
            tried = f"{one['tried']:,}" if missing is None else f"not run: {missing}"
            print(f"| {kind.ABOUT} | {kind.AIM:,} {kind.UNIT} | {tried} | {one['rounds']:,} | {len(one['faults'])} |")


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}"
