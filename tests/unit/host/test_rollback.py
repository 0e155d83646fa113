# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files come back as they were unless a run confirms the new ones, and the timer needs nobody for that."""

from __future__ import annotations

import fcntl
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._host import rollback
from ansible_collections.gopherops.devserver.plugins.module_utils._host.managed_block import BEGIN, with_block
from ansible_collections.gopherops.devserver.plugins.module_utils._host.rollback import PreviousFile

RUN = "4711"
OWNER = (os.getuid(), os.getgid())
LATIN = b"caf\xe9\r\n".decode("utf-8", "surrogateescape")


class Changed(t.NamedTuple):
    """Three files after a run that changed one, created one and removed one, and the record of that run."""

    directory: pathlib.Path
    record: str

    def states(self) -> dict[str, tuple[str, int]]:
        files = [file for file in self.directory.iterdir() if not file.name.startswith("record")]
        return {file.name: (read(file), file.stat().st_mode & 0o777) for file in files}


BEFORE = {"changed": (LATIN, 0o640), "removed": ("rest\n", 0o600)}
AFTER = {"changed": ("new\n", 0o640), "created": ("new\n", 0o644)}


def read(file: pathlib.Path) -> str:
    return file.read_bytes().decode("utf-8", "surrogateescape")


def write(file: pathlib.Path, text: str, mode: int) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    file.chmod(mode)


@pytest.fixture
def changed(tmp_path: pathlib.Path) -> Changed:
    record = str(tmp_path / "record")
    states = [
        PreviousFile(
            str(tmp_path / name), *BEFORE.get(name, (None, 0)), os.getuid(), os.getgid(), AFTER.get(name, (None,))[0]
        )
        for name in ("changed", "created", "removed")
    ]
    rollback.write_record(record, RUN, states)
    for name, (text, mode) in AFTER.items():
        write(tmp_path / name, text, mode)
    return Changed(tmp_path, record)


def start_timer(record: str, seconds: float, identifier: str = RUN) -> subprocess.Popen[str]:
    command = [sys.executable, "-I", rollback.__file__, record, identifier, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_files_are_restored_with_their_modes(changed: Changed) -> None:
    assert changed.states() == AFTER
    assert pathlib.Path(changed.record).stat().st_mode & 0o777 == 0o600
    # The file that was written last comes first.
    names = ("removed", "created", "changed")
    assert rollback.restore(changed.record) == [str(changed.directory / name) for name in names]
    assert changed.states() == BEFORE
    assert rollback.restore(changed.record) == []


@pytest.mark.parametrize("end", [rollback.forget, rollback.restore])
def test_what_a_killed_restoration_has_left_is_removed(changed: Changed, end: t.Callable[[str], object]) -> None:
    for name in ("changed", "created", "removed", "record"):
        write(changed.directory / f".{name}.rollback", "half", 0o600)
    # A file that has the previous text already is not written again.
    write(changed.directory / "changed", *BEFORE["changed"])
    end(changed.record)
    assert sorted(path.name for path in changed.directory.glob(".*")) == []


def test_a_file_that_was_edited_since_or_not_written_yet_stays(changed: Changed) -> None:
    write(changed.directory / "changed", "by hand\n", 0o640)
    (changed.directory / "created").unlink()
    rollback.restore(changed.record)
    assert changed.states() == {"changed": ("by hand\n", 0o640), "removed": BEFORE["removed"]}


def test_a_file_that_was_edited_since_loses_the_block_that_includes_a_file_which_is_gone(changed: Changed) -> None:
    block = with_block("first\nlast\n", "session include created", path="x", first=False)
    write(changed.directory / "changed", block + "by hand\n", 0o640)
    rollback.restore(changed.record)
    assert changed.states() == {"changed": ("first\nlast\nby hand\n", 0o640), "removed": BEFORE["removed"]}


def test_a_file_that_cannot_be_restored_keeps_no_other_from_it(changed: Changed) -> None:
    (changed.directory / ".changed.rollback").mkdir()
    rollback.restore(changed.record)
    assert (changed.directory / "removed").exists()


@pytest.mark.parametrize(
    "make",
    [lambda path: os.truncate(path, 1 << 42), lambda path: (path.unlink(), os.mkfifo(path)), pathlib.Path.unlink],
)
@pytest.mark.parametrize("text", ["old\n", None])
def test_a_file_of_a_user_is_replaced_without_reading_it(
    changed: Changed, make: t.Callable[[pathlib.Path], object], text: str | None
) -> None:
    created = changed.directory / "created"
    make(created)
    host = PreviousFile(str(changed.directory / "changed"), *BEFORE["changed"], *OWNER, "new\n")
    rollback.write_record(
        changed.record, RUN, [host, PreviousFile(str(created), text, 0o400, *OWNER, None, of_user=True)]
    )
    rollback.restore(changed.record)
    assert changed.states() == {"changed": BEFORE["changed"], **({"created": (text, 0o400)} if text else {})}


def test_any_number_of_marks_takes_little_time(changed: Changed) -> None:
    write(changed.directory / "created", "# BEGIN gopherops.devserver: x\n" * 50_000, 0o644)
    write(changed.directory / "changed", f"{BEGIN}\n" * 50_000, 0o640)
    begin = time.monotonic()
    rollback.restore(changed.record)
    assert time.monotonic() - begin < 5
    assert (changed.directory / "removed").exists()


def test_what_a_killed_restoration_left_is_replaced(changed: Changed) -> None:
    write(changed.directory / ".changed.rollback", "ha", 0o600)
    rollback.restore(changed.record)
    assert changed.states() == BEFORE


def test_the_timer_restores_what_nobody_confirms(changed: Changed) -> None:
    output, _stderr = start_timer(changed.record, 0.2).communicate(timeout=20)
    assert "was not confirmed within 0.2 seconds" in output
    assert changed.states() == BEFORE


@pytest.mark.parametrize("identifier", [RUN, "another"], ids=["confirmed", "of another run"])
def test_the_timer_leaves_files_that_are(changed: Changed, identifier: str) -> None:
    process = start_timer(changed.record, 60, identifier)
    if identifier == RUN:
        rollback.forget(changed.record)
    assert process.communicate(timeout=20) == ("", None)
    assert changed.states() == AFTER


def test_the_time_begins_when_the_run_has_written_all(changed: Changed) -> None:
    with open(rollback.lock_of(changed.record), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start_timer(changed.record, 0.1)
        time.sleep(1)
        assert (process.poll(), changed.states()) == (None, AFTER)
    process.communicate(timeout=20)
    assert changed.states() == BEFORE


def test_a_service_reads_the_restored_files_also_after_a_killed_attempt(changed: Changed) -> None:
    log = changed.directory / "record.log"
    command = ["/bin/sh", "-c", f"cat {changed.directory}/changed >> {log}; exit 1"]
    file = changed.directory / "changed"
    state = PreviousFile(str(file), "previous\n", 0o644, *OWNER, file.read_text())
    for _time in range(2):
        rollback.write_record(changed.record, RUN, [state], command)
        rollback.restore(changed.record)
    assert log.read_text() == "previous\n" * 2
    rollback.write_record(changed.record, RUN, [state], ["/none"])
    rollback.restore(changed.record)
    assert not pathlib.Path(changed.record).exists()
