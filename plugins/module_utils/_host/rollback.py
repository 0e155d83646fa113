# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Previous states of files on which access to the host depends: they come back unless a run confirms the new ones.

This file is also run on the host as a program, so it imports only Python's standard library. It restores the files of
the record if nobody has confirmed them after so many seconds:

    python3 roll_back.py RECORD IDENTIFIER SECONDS
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
import typing as t

# Seconds between two looks for the confirmation.
_PAUSE = 0.5
# Seconds for the service to read the restored files.
_RELOAD_TIMEOUT = 30
# The marks of a managed block.
BEGIN = "# BEGIN gopherops.devserver: managed block, changes inside are lost"
END = "# END gopherops.devserver"


class PreviousFile(t.NamedTuple):
    """A file before a change, and the text that it gets; None is no file.

    A file ``of_user`` is replaced without a look at it: its user can give it any size, or mount something over it.
    """

    path: str
    text: str | None
    mode: int
    uid: int
    gid: int
    new_text: str | None
    of_user: bool = False


def block_marks(lines: t.Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the numbers of the lines that begin a managed block, and of those that end one."""
    stripped = [line.strip() for line in lines]
    begins, ends = ([number for number, line in enumerate(stripped) if line == mark] for mark in (BEGIN, END))
    return begins, ends


def lock_of(record: str) -> str:
    """Return the lock that a run holds from before the first write until after the last one."""
    return record + ".lock"


def write_record(record: str, identifier: str, states: t.Iterable[PreviousFile], reload: t.Sequence[str] = ()) -> None:
    """Write the record in one step; it is only readable for root, because files may contain secrets.

    ``reload`` is the command that makes a service read the restored files.
    """
    files = [[*state[:5], None if state.of_user else _digest(state.new_text)] for state in states]
    content = {"identifier": identifier, "states": files, "reload": list(reload)}
    _replace(record, json.dumps(content), 0o600, -1, -1)


def read_identifier(record: str) -> str:
    """Return which run has changed the files of the record; empty if there is no record."""
    return str(_read(record).get("identifier", ""))


def forget(record: str) -> None:
    """Remove the record, and what a killed run has left beside it and its files: the new files stay."""
    for path in (record, *(state[0] for state in _read(record).get("states", []))):
        with contextlib.suppress(OSError):
            os.unlink(_temporary(path))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)


def restore(record: str) -> list[str]:
    """Restore the files of the record and forget it; return the paths of the files that have changed.

    The last one that was written comes first, so that no file includes one that is gone. A file of the host that
    somebody has edited since only loses the managed block, which may include such a file. The caller holds the lock.
    """
    content = _read(record)
    restored = [path for path, *state in reversed(content.get("states", [])) if _restore_file(path, *state)]
    # Also if an earlier attempt was killed after it had restored them.
    if content.get("reload"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(content["reload"], timeout=_RELOAD_TIMEOUT, stdin=subprocess.DEVNULL, check=False)
    forget(record)
    return restored


def _restore_file(path: str, text: str | None, mode: int, uid: int, gid: int, digest: str | None) -> bool:
    # A file that cannot be restored must not keep others from it.
    with contextlib.suppress(OSError):
        if digest is not None:
            current = _text_of(path)
            if _digest(current) != digest:
                # It was not written, or edited since.
                text = current if current in (None, text) else _without_block(str(current))
            if text == current:
                return False
        if text is None:
            os.unlink(path)
        else:
            # A run that removes everything also removes the directories of the collection.
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _replace(path, text, mode, uid, gid)
        return True
    return False


def _without_block(text: str) -> str:
    lines = text.split("\n")
    for begin, end in zip(*block_marks(lines)):
        return "\n".join(lines[:begin] + lines[end + 1 :])
    return text


def main() -> None:
    record, identifier, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    # The run writes until it releases the lock, or is killed.
    with _locked(record):
        deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if read_identifier(record) != identifier:
            return
        time.sleep(_PAUSE)
    with _locked(record):
        if read_identifier(record) == identifier:
            paths = " ".join(restore(record))
            sys.stdout.write(f"access to this host was not confirmed within {seconds:g} seconds: restored {paths}\n")


@contextlib.contextmanager
def _locked(record: str) -> t.Iterator[None]:
    with open(lock_of(record), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(record: str) -> dict[str, t.Any]:
    content: dict[str, t.Any] = json.loads(_text_of(record) or "{}")
    return content


def _text_of(path: str) -> str | None:
    with contextlib.suppress(FileNotFoundError), open(
        path, encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        return file.read()
    return None


def _digest(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _temporary(path: str) -> str:
    # One name, so that a next attempt replaces what is left of one that was killed.
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.rollback")


def _replace(path: str, text: str, mode: int, uid: int, gid: int) -> None:
    temporary = _temporary(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
