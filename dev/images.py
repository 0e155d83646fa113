# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a dev server: Debian with systemd and sshd, from a registry or from the machine's own mirror."""

from __future__ import annotations

import hashlib
import platform
import threading
import typing as t
from pathlib import Path

from dev import apt, state
from dev.checkout import CACHE, Failure
from dev.command import query, run
from dev.console import show

RECIPE = Path(__file__).parent / "image"
KEY = "gopherops.devserver.key"
PULL_SECONDS = 60
# Besides that of the dev server: the releases before and after it.
OTHER_SUITES = ("bullseye", "trixie")
# Scenarios that run side by side need the same images.
_one_builder = threading.Lock()


def ensure_other_releases(log: Path) -> None:
    """Build the images that only scenarios use."""
    with _one_builder:
        for suite in OTHER_SUITES:
            ensure(suite, log)


def ensure(suite: str, log: Path, *, arm64: bool = False) -> str:
    """Return the tag of the image for a Debian release; built where its recipe or its base have changed.

    The programs of an image for ``arm64`` run by `dev.emulation`.
    """
    base = f"{'arm64v8/' if arm64 else ''}debian:{suite}-slim"
    if not _inspect(base, "{{.Id}}"):
        _make_base(base, suite, log, ["--architectures=arm64"] if arm64 else [])
    tag = f"gopherops-devserver:{suite}{'-arm64' if arm64 else ''}"
    recipe = (RECIPE / "Dockerfile").read_bytes()
    key = hashlib.sha256(recipe + _inspect(base, "{{.Id}}").encode()).hexdigest()
    if _inspect(tag, f'{{{{index .Config.Labels "{KEY}"}}}}') != key:
        show(f"    building {tag}")
        arguments = ["--build-arg", f"BASE={base}", "--label", f"{KEY}={key}", "--tag", tag]
        run(["docker", "build", *arguments, RECIPE], log=log)
        state.remember_image(_inspect(tag, "{{.Id}}"))
    return tag


def remove(image: str) -> bool:
    """Remove an image; False where it stays because a container uses it."""
    return not _inspect(image, "{{.Id}}") or query(["docker", "rmi", "--force", image]).ok


def _inspect(image: str, template: str) -> str:
    found = query(["docker", "image", "inspect", "--format", template, image])
    return found.output.strip() if found.ok else ""


def _make_base(base: str, suite: str, log: Path, options: t.Sequence[str]) -> None:
    try:
        run(["docker", "pull", base], log=log, timeout=PULL_SECONDS)
    except Failure:
        show(f"    no registry gives {base}; building it from the machine's Debian mirror")
        _import_base(base, suite, log, options)
    state.remember_image(_inspect(base, "{{.Id}}"))


def _import_base(base: str, suite: str, log: Path, options: t.Sequence[str]) -> None:
    if platform.freedesktop_os_release().get("ID") != "debian":
        raise Failure(
            f"no registry gives {base}, and only a Debian machine can build it. To fix this: docker pull {base}"
        )
    rootfs = CACHE / "rootfs" / f"{base.replace('/', '-')}.tar"
    if not rootfs.exists():
        rootfs.parent.mkdir(parents=True, exist_ok=True)
        unfinished = rootfs.with_suffix(".unfinished")
        _bootstrap(suite, unfinished, log, options)
        unfinished.replace(rootfs)
    run(["docker", "import", "--change", 'CMD ["bash"]', rootfs, base], log=log)


def _bootstrap(suite: str, archive: Path, log: Path, options: t.Sequence[str]) -> None:
    mirror = apt.mirror(suite)
    apt.require({"mmdebstrap": "mmdebstrap"}, log)
    argv = ["mmdebstrap", "--format=tar", "--variant=minbase", "--include=ca-certificates", *options]
    run([*argv, suite, archive, mirror], log=log)
