# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of odd file in the place of every managed file and directory: its user is left out, all others are served.

In one run of a writer each user has another odd file.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import typing as t

import pytest

from tests.support.directories import public_directory

from .users import DIRECTORIES, FILES, make_user, writers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")
UID = 50_000
SECRET = "of root\n"


def fifo(path: pathlib.Path) -> None:
    os.mkfifo(path)


def directory(path: pathlib.Path) -> None:
    path.mkdir()
    (path / "entry").touch()


def listening(path: pathlib.Path) -> None:
    # The address of a socket has at most 108 bytes.
    place = os.open(path.parent, os.O_RDONLY)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(f"/proc/self/fd/{place}/{path.name}")
    os.close(place)


def device(path: pathlib.Path) -> None:
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))


def endless(path: pathlib.Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: pathlib.Path) -> None:
    path.symlink_to(path.name)


def dangling(path: pathlib.Path) -> None:
    path.symlink_to("/no/such/directory/file")


def secret(path: pathlib.Path) -> None:
    path.symlink_to(path.parents[len(path.parts) - path.parts.index("homes") - 1] / "secret")


def memory(path: pathlib.Path) -> None:
    path.symlink_to("/proc/self/mem")


def descriptor(path: pathlib.Path) -> None:
    path.symlink_to("/proc/self/fd/1")


def roots(path: pathlib.Path) -> None:
    path.write_text(SECRET)
    path.chmod(0o600)


def unreadable(path: pathlib.Path) -> None:
    path.write_text("{}")
    path.chmod(0)


def sparse(path: pathlib.Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def long_line(path: pathlib.Path) -> None:
    path.write_text("x" * 9_000_000)


def nested(path: pathlib.Path) -> None:
    path.write_text("[" * 200_000)


def binary(path: pathlib.Path) -> None:
    path.write_bytes(bytes(range(256)) * 10)


# The odd files of a user, of which all but these two kinds belong to the user.
KINDS: tuple[t.Callable[[pathlib.Path], None], ...] = (
    *(fifo, directory, listening, device, endless, loop, dangling, secret, memory, descriptor),
    *(roots, unreadable, sparse, long_line, nested, binary),
)
OF_ROOT = (roots, device)
# What a writer can edit, make or replace; such a user need not be left out.
HARMLESS = {
    # Go's own file and the file of telemetry keep unknown lines.
    ".config/go/env": {nested, binary, dangling},
    ".config/go/telemetry/mode": {nested, binary, long_line, sparse, dangling},
    # A file in a checkout is edited, not made.
    "work/.vscode/settings.json": {dangling},
    "work/.vscode/launch.json": {dangling},
    "work/.devcontainer/devcontainer.json": {dangling},
    # The whole file is replaced.
    ".config/environment.d/zz-gopherops-go.conf": {nested, binary, long_line},
    # A link of another kind is replaced.
    "go/bin/gopls": {endless, loop, dangling, secret, memory, descriptor},
}


@pytest.fixture
def homes() -> t.Iterator[pathlib.Path]:
    with public_directory() as top:
        (top / "homes").mkdir()
        (top / "secret").write_text(SECRET)
        (top / "secret").chmod(0o600)
        yield top / "homes"


@pytest.mark.parametrize("module", FILES)
def test_an_odd_file_costs_its_user_alone(
    homes: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    write = writers(tmp_path, monkeypatch)[module]
    places = [*FILES[module], *(DIRECTORIES if module == "go_env" else ())]
    cases = [(place, kind) for place in places for kind in KINDS]
    cases += [(place, kind) for place in parents(FILES[module]) for kind in (fifo, loop, dangling, secret, roots)]
    users = {f"u{number}": case for number, case in enumerate(cases)}
    accounts = {name: make_user(homes, name, UID + number) for number, name in enumerate(["bob", *users, "zoe"])}
    for name, (place, kind) in users.items():
        plant(homes / name / place, kind, accounts[name].uid)

    skipped = write(list(accounts.values()))

    reasons = {entry.user: entry.reason for entry in skipped}
    assert not {"bob", "zoe"} & set(reasons)
    for name in ("bob", "zoe"):
        assert all(os.path.lexists(homes / name / place) for place in places), name
    missed = [
        f"{place} {kind.__name__}"
        for name, (place, kind) in users.items()
        if place in FILES[module] and name not in reasons and kind not in HARMLESS.get(place, ())
    ]
    assert missed == []
    assert [reason for reason in reasons.values() if "To fix this: " not in reason] == []
    assert (homes.parent / "secret").read_text() == SECRET
    assert SECRET.strip() not in str(reasons)


def parents(files: t.Iterable[str]) -> list[str]:
    """Return the directories on the way to files, below the home."""
    return sorted({str(parent) for file in files for parent in pathlib.Path(file).parents if str(parent) != "."})


def plant(path: pathlib.Path, kind: t.Callable[[pathlib.Path], None], uid: int) -> None:
    """Put an odd file in place of what is there."""
    made = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    kind(path)
    for place in [*made, *([] if kind in OF_ROOT else [path])]:
        os.chown(place, uid, uid, follow_symlinks=False)
