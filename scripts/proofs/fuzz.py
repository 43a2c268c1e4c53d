"""Fuzzing: each target of `fuzz/` in turn, a minute each."""

import os
import pathlib
import shutil
import subprocess

from .ground import expect

NAME, UNIT, AIM = "fuzz", "minutes", 600
ABOUT = "fuzzing of the splitter, schemas, URLs, metadata, payloads of events and requests"
# Words that the fuzzer may put in, by target.
WORDS = {"split": "sql", "schema": "sql", "request": "http", "payload": "event"}
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def possible():
    return None if shutil.which("cargo-fuzz") else "no program `cargo-fuzz`"


def targets():
    return sorted(path.stem for path in (ROOT / "fuzz" / "fuzz_targets").glob("*.rs"))


def play(rng, ground, folder):
    target = rng.choice(targets())
    # The sanitizers want a nightly toolchain, or a stable one that is told to behave as one.
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1", "ASAN_OPTIONS": "detect_odr_violation=0", "TMPDIR": str(folder)}
    command = ["cargo", "fuzz", "run", target, "--", "-max_total_time=60", f"-artifact_prefix={folder}/", f"-seed={rng.randrange(1, 2**31)}"]
    if target in WORDS:
        command.append(f"-dict={WORDS[target]}.dict")
    ran = subprocess.run(command, cwd=ROOT / "fuzz", env=environment, capture_output=True, text=True, check=False)
    expect(ran.returncode == 0, f"`{target}` found something:\n{ran.stderr[-4000:]}")
    return 1
