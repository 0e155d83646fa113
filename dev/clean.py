# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make clean`: removes what the other commands made, and nothing that was there before."""

from __future__ import annotations

import shutil

from dev import docker_engine, images, state
from dev.checkout import CACHE, DEVSERVER, LABEL, LOGS, ROOT, Failure
from dev.command import query

DIRECTORIES = (DEVSERVER, ROOT / ".ansible", ROOT / ".hypothesis", ROOT / "tests" / "output")


def clean() -> None:
    """Remove containers, images, the daemon, keys and caches, and report it."""
    made = state.load()
    try:
        if made.images:
            # They and the containers are in the daemon's store; without the daemon they would remain there.
            LOGS.mkdir(parents=True, exist_ok=True)
            docker_engine.ensure(LOGS / "clean.log")
        _remove_containers()
        _remove_images(made.images)
        _report(docker_engine.stop())
    except Failure as failure:
        _report(f"left what Docker has: {failure}")
    for directory in DIRECTORIES:
        shutil.rmtree(directory, ignore_errors=True)
    _remove_cache()
    _report("removed the keys, the caches and the virtual environments; Debian packages that were installed stay")


def _remove_containers() -> None:
    # Molecule's containers carry the label as well.
    listed = query(["docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}"])
    names = listed.output.split() if listed.ok else []
    if names:
        docker_engine.docker("rm", "--force", "--volumes", *names)
        _report(f"removed the containers {', '.join(names)}")


def _remove_images(made: list[str]) -> None:
    left = made
    for _derived_before_base in range(2):
        left = [image for image in left if not images.remove(image)]
    state.remember(images=left)
    if len(left) < len(made):
        _report(f"removed {len(made) - len(left)} images")
    if left:
        _report(f"left {len(left)} images: others' containers or images use them")


def _remove_cache() -> None:
    """Remove the cache directory; what could not be removed elsewhere stays in the state file."""
    remaining = state.load()
    for entry in CACHE.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != state.FILE or not (remaining.daemon or remaining.images):
            entry.unlink()
    if not any(CACHE.iterdir()):
        CACHE.rmdir()


def _report(message: str) -> None:
    if message:
        print(f"    {message}", flush=True)
