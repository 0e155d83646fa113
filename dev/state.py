# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers what these commands made outside the checkout, so that `make clean` removes that and nothing else."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from dev.checkout import CACHE

FILE = CACHE / "state.json"


@dataclasses.dataclass
class State:
    """``daemon`` is "systemd" or "<pid> <start time>" of the Docker daemon that we started, empty where we did not;
    ``images`` are the ids of the images that we made; ``port`` is the embedded dev server's."""

    daemon: str = ""
    images: list[str] = dataclasses.field(default_factory=list)
    port: int = 0


def load() -> State:
    """Return what was remembered; nothing where nothing was."""
    try:
        return State(**json.loads(FILE.read_text()))
    except FileNotFoundError:
        return State()


def remember(**changes: t.Any) -> State:
    """Change some fields, by rename, so that a kill leaves the old state or the new one."""
    state = dataclasses.replace(load(), **changes)
    FILE.parent.mkdir(exist_ok=True)
    new = FILE.with_suffix(".new")
    new.write_text(json.dumps(dataclasses.asdict(state)))
    new.replace(FILE)
    return state


def remember_image(image: str) -> None:
    """Add the id of an image that we made."""
    remember(images=sorted({*load().images, image}))
