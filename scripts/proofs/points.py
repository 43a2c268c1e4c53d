"""Power failures at every point of ten scenes, where `power` tries some points of any number of them."""

import os
import random

from . import power

NAME, UNIT, AIM = "points", "scenes", 10
ABOUT = "power failures replayed at every point of ten scenes, each with some choice of what was not synced"

possible = power.possible


def draw(rng):
    return rng.choice(power.scenes())


def seed_after(rounds):
    """A seed that draws the next scene: they take turns."""
    scenes = power.scenes()
    due = scenes.index(scenes[rounds % len(scenes)])
    while True:
        seed = int.from_bytes(os.urandom(6))
        if scenes.index(draw(random.Random(seed))) == due:
            return seed


def play(rng, ground, folder):
    recording = power.Recording(draw(rng), rng, ground, folder)
    for point in range(1, len(recording.changes) + 1):
        recording.fail_at(point, point)
    return 1
