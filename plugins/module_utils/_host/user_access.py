# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to the paths that a user controls: always with that user's rights, so that no link of the user misleads root.

What changes a user's files runs in a process of its own, which is killed at its time limit: a file system that hangs,
or a file that takes minutes to edit, costs that user only. Where root must act itself, ``ownership`` does it through
descriptors.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import pwd
import re
import resource
import select
import signal
import stat
import time
import typing as t

from .._core.ending import clean_up_with, end
from .._core.errors import DevserverError, TimedOut
from .accounts import Account, groups_of, name_of
from .files import GAVE_UP_ROOT, read_text_or_empty
from .reading_limit import CLOCKS, Clock, reading
from .threads import assert_single_thread

T = t.TypeVar("T")
Item = t.TypeVar("Item")

# Seconds for all accesses to the files of one user.
LIMIT = 30.0
# Seconds of each call that do not count.
_UNCOUNTED = 1.0
# Bytes of memory for one call; the largest file that can be edited within LIMIT takes less.
_MEMORY = 512 << 20
# Seconds that the kernel gets to end a killed process; a disk or network that hangs can keep it for longer.
_UNTIL_KILLED = 1.0
# Seconds that a process gets to end the programs that it has started.
_UNTIL_ENDED = 5.0
_PAUSE = 0.0002
# Seconds between two looks at the clock of a process.
_LOOK = 0.1
_CHUNK = 1 << 20
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_LOGIN_DEFS = "/etc/login.defs"
_LOGIN_UMASK = re.compile(r"^[ \t]*UMASK[ \t]+0*([0-7]{1,3})[ \t]*(?:#.*)?$", re.MULTILINE)
_COMMENT_UMASK = re.compile(r"\bumask=0*([0-7]{1,3})\b")
_STANDARD_UMASK = 0o022
# The users who exceeded the limit in this run, each with what raises the error.
_UNRESPONSIVE: dict[Account, t.Callable[[], t.NoReturn]] = {}
# Seconds that the slow calls for each user have taken: a user can stop each of them shortly before its limit.
_SPENT: dict[Account, float] = {}
# The running processes of ``each_as`` and ``limited``.
_CHILDREN: set[int] = set()
# The first glibc whose access() with effective IDs queries the kernel. An older one looks at the real user.
_GLIBC_WITH_EFFECTIVE_IDS = (2, 33)


@contextlib.contextmanager
def acting_as(account: Account | None) -> t.Iterator[None]:
    """Access files with the rights of ``account``, so that links in a user's directories cannot mislead root.

    This changes the whole process: raises RuntimeError beside other threads. Does nothing for None, or if this process
    is not root's. The user cannot signal, trace, limit or schedule this process: the real user and the permitted
    capabilities stay those of root.
    """
    if account is not None:
        assert_single_thread(f"acting as {account.name}")
    if account is None or os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(groups_of(account))
        os.setegid(account.gid)
        os.seteuid(account.uid)
        with reading(account):
            yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def may_access(path: str, mode: int) -> bool:
    """Return whether ``acting_as`` somebody, this process may access a file or directory as access(2) does.

    On an older glibc the bits of the file's mode decide, so that access control lists are not seen.
    """
    allowed = os.access(path, mode, effective_ids=True)
    if not allowed or os.geteuid() == os.getuid() or _glibc() >= _GLIBC_WITH_EFFECTIVE_IDS:
        return allowed
    try:
        status = os.stat(path)
    except OSError:
        return False
    if status.st_uid == os.geteuid():
        return (status.st_mode >> 6) & mode == mode
    in_group = status.st_gid in (os.getegid(), *os.getgroups())
    return (status.st_mode >> (3 if in_group else 0)) & mode == mode


def _glibc() -> tuple[int, ...]:
    """Return the version of glibc; that of another C library, which queries the kernel, is the highest."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        version = ""
    return tuple(map(int, re.findall(r"\d+", version))) or (99,)


def has_home(account: Account) -> bool:
    """Return whether the home directory exists, with the user's rights: root may have none on a network file system."""
    return call_as(account, lambda: os.path.isdir(account.home))


def call_as(account: Account, function: t.Callable[[], T]) -> T:
    """Return the result of ``function`` like ``each_as``."""
    return each_as(account, lambda _item: function(), {account.home: None})[account.home]()


def each_as(
    account: Account,
    function: t.Callable[[Item], T],
    items: t.Mapping[str, Item],
    *,
    as_root: bool = False,
    seconds: float = 0,
    programs: bool = False,
) -> dict[str, t.Callable[[], T]]:
    """Call ``function`` with each item in a process that has the rights of ``account``, or root's with ``as_root``.

    ``items`` are named by their paths. Returns a function for each that returns its result, or raises its
    DevserverError or OSError. Results must be what JSON can hold, because the process is a user's; tuples become lists.
    After ``seconds``, or LIMIT with all earlier calls, the process is killed; the item that did not end, and all others
    from then on, raise TimedOut: a user costs this limit once. With ``programs``, if the function runs the user's
    programs, ``seconds`` is the only limit.
    """
    if not items:
        return {}
    if account in _UNRESPONSIVE:
        return dict.fromkeys(items, _UNRESPONSIVE[account])
    assert_single_thread(f"access to files of {account.name}")
    seconds = seconds or LIMIT
    start = time.monotonic()
    deadline = start + (seconds if programs else min(seconds, LIMIT - _SPENT.get(account, 0)))
    actor, memory = None if as_root else account, 0 if programs else _MEMORY
    lines, in_time = _run_in_process(actor, function, items.values(), deadline, memory)
    if not programs:
        _SPENT[account] = _SPENT.get(account, 0) + max(0.0, time.monotonic() - start - _UNCOUNTED)
    results = dict(zip(items, map(_result_of, lines)))
    return {**results, **_without_result(account, list(items)[len(results) :], 0 if in_time else seconds)}


def is_true_or_hangs(account: Account, function: t.Callable[[], object]) -> bool:
    """Return whether the result of ``function``, which inspects processes of ``account`` as root, is true or is late.

    The environment of a process is in its memory, for which its user can map a file that does not respond.
    """
    item = f"the environment of processes of {account.name}"
    try:
        return each_as(account, lambda _item: bool(function()), {item: None}, as_root=True)[item]()
    except TimedOut:
        return True


def call_in_time(function: t.Callable[[], T], path: str, seconds: float = 0) -> T:
    """Return the result of ``function``, which accesses ``path`` as root, from a process like that of ``each_as``."""
    assert_single_thread(f"access to {path}")
    seconds = min(seconds or LIMIT, LIMIT)
    lines, _in_time = _run_in_process(None, lambda _item: function(), [None], time.monotonic() + seconds, _MEMORY)
    if not lines:
        raise TimedOut(
            f"{path} took longer than {seconds:g} s", remedy=f"check that 'ls' and 'cat' of {path} respond at once"
        )
    result: T = _result_of(lines[0])()
    return result


class UserTimedOut(TimedOut):
    """The files of the user with this ID took longer than the limit."""

    def __init__(self, uid: int, seconds: float) -> None:
        self.uid = uid
        super().__init__(
            f"the files of user {name_of(uid)} took longer than {seconds:g} s",
            remedy="check as this user that 'ls' and 'cat' of the home and the workspaces respond at once",
        )


def limited(function: t.Callable[[], T], seconds: float = 0) -> T:
    """Return the result of ``function``, which JSON can hold, from a process that acts as several users.

    Raises UserTimedOut after its reads from paths of one user have taken ``seconds``, by default LIMIT: these are what
    it does in ``acting_as`` and ``reading``.
    """
    assert_single_thread("starting a process")
    seconds = seconds or LIMIT
    clock = Clock(seconds)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        CLOCKS[:] = [clock]
        _write_outcome(function, writer)
    _CHILDREN.add(child)
    os.close(writer)
    try:
        line = _read_until_late(reader, clock, seconds)
    finally:
        os.close(reader)
        _end(child, (signal.SIGTERM, _UNTIL_ENDED), (signal.SIGKILL, _UNTIL_KILLED))
    if not line:
        raise DevserverError(
            "the process that reads the files of users was killed", remedy="find the cause in 'dmesg', and run it again"
        )
    result: T = _result_of(line)()
    return result


def _write_outcome(function: t.Callable[[], t.Any], writer: int) -> t.NoReturn:
    """Write the result as one line of JSON, and exit."""
    try:
        signal.signal(signal.SIGTERM, end)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        with open(writer, "wb") as output:
            output.write(json.dumps(_outcome(lambda _item: function(), None), default=str).encode() + b"\n")
    finally:
        os._exit(0)


def _read_until_late(reader: int, clock: Clock, seconds: float) -> bytes:
    chunks: list[bytes] = []
    while True:
        late = clock.find_late()
        if late is not None:
            raise UserTimedOut(late, seconds)
        if select.select([reader], [], [], _LOOK)[0]:
            chunk = os.read(reader, _CHUNK)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)


def _run_in_process(
    account: Account | None, function: t.Callable[[Item], t.Any], items: t.Iterable[Item], deadline: float, memory: int
) -> tuple[list[bytes], bool]:
    """Return a line of JSON for each call that has ended, and whether the process ended before the deadline."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _serve(account, function, items, writer, memory)
    _CHILDREN.add(child)
    os.close(writer)
    try:
        return _read_lines(reader, deadline)
    finally:
        os.close(reader)
        _end(child, (signal.SIGKILL, _UNTIL_KILLED))


@clean_up_with
def _end_children() -> None:
    """End the processes that act as root; those of users end with this one."""
    for child in _CHILDREN:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGTERM)


def _serve(
    account: Account | None, function: t.Callable[[Item], t.Any], items: t.Iterable[Item], writer: int, memory: int
) -> None:
    """Write the result of each call as one line of JSON, and exit. ``memory`` is the limit in bytes, 0 for none."""
    try:
        CLOCKS.clear()  # The caller of this process limits its time.
        # A handler of this module would clean up for its parent.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if memory:
            _limit_memory(memory)
        if account is not None:
            _become(account)
        with open(writer, "wb") as output:
            for item in items:
                output.write(json.dumps(_outcome(function, item), default=str).encode() + b"\n")
                output.flush()
    finally:
        os._exit(0)


def _limit_memory(memory: int) -> None:
    """Limit the memory of this process, beside what it has from its parent."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        present = int(file.read().split()[5]) * resource.getpagesize()
    _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = present + memory
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _become(account: Account) -> None:
    """Give up root's rights for good. Other processes of the user can end this one, but not read its memory."""
    umask = _login_umask(account)
    if os.geteuid() == 0:
        os.setgroups(groups_of(account))
        os.setgid(account.gid)
        os.setuid(account.uid)
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        GAVE_UP_ROOT.append(account.name)
    # Behind the change of the user, which resets it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with contextlib.suppress(OSError):
        # In a home that others cannot enter they can enter no new directory either.
        umask |= ~os.stat(account.home).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    os.umask(umask)


def _login_umask(account: Account) -> int:
    """Return the mask of the modes of the user's new files, from where pam_umask(8) reads it."""
    comment = ""
    with contextlib.suppress(KeyError):
        comment = pwd.getpwnam(account.name).pw_gecos
    umask = _COMMENT_UMASK.search(comment) or _LOGIN_UMASK.search(read_text_or_empty(_LOGIN_DEFS))
    return int(umask.group(1), 8) if umask else _STANDARD_UMASK


def _outcome(function: t.Callable[[Item], t.Any], item: Item) -> dict[str, t.Any]:
    try:
        return {"result": function(item)}
    except DevserverError as error:
        return {"error": [error.problem, error.expected, error.remedy, error.details]}
    except OSError as error:
        return {"errno": [error.errno, error.strerror, error.filename]}
    except MemoryError:
        return {"error": [f"it takes more than {_MEMORY >> 20} MiB of memory", "", "make the file smaller", {}]}
    except Exception as error:
        # A file of a user can be made to fail in any way, such as by its depth or size.
        return {"error": [f"{type(error).__name__}: {error}", "", "", {}]}


def _read_lines(reader: int, deadline: float) -> tuple[list[bytes], bool]:
    """Return the complete lines up to the end of the output or to the deadline, and whether it ended before."""
    chunks: list[bytes] = []
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(reader, _CHUNK)
        if not chunk:
            return b"".join(chunks).split(b"\n")[:-1], True
        chunks.append(chunk)
    return b"".join(chunks).split(b"\n")[:-1], False


def _end(child: int, *signals: tuple[int, float]) -> None:
    """Send the signals one after the other, each with its seconds, until the process has ended."""
    _CHILDREN.discard(child)
    for number, seconds in signals:
        os.kill(child, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if os.waitpid(child, os.WNOHANG)[0]:
                return
            time.sleep(_PAUSE)


def _result_of(line: bytes) -> t.Callable[[], t.Any]:
    outcome = json.loads(line)
    if "result" in outcome:
        return lambda: outcome["result"]
    return functools.partial(_raise, outcome)


def _raise(outcome: t.Mapping[str, t.Any]) -> t.NoReturn:
    if "errno" in outcome:
        raise OSError(*outcome["errno"])
    problem, expected, remedy, details = outcome["error"]
    raise DevserverError(problem, expected=expected, remedy=remedy, **details)


def _without_result(account: Account, paths: t.Sequence[str], seconds: float) -> dict[str, t.Callable[[], t.Any]]:
    """Return the errors of the path at which the process ended, or was killed after ``seconds``, and of the rest."""
    if not paths:
        return {}
    first, name = paths[0], account.name
    problem = f"{first} of user {name} took longer than {seconds:g} s"
    remedy = f"as {name}, check that 'ls' and 'cat' of this path respond at once, and make a large file smaller"
    if not seconds:
        problem = f"the process that accessed {first} with the rights of user {name} was killed"
        remedy = f"find the process of {name} that kills others, or the cause in 'dmesg', and run the play again"
    rest = functools.partial(_raise_timeout, f"it stays as it is, because {problem}", remedy)
    if seconds:
        _UNRESPONSIVE[account] = rest
    return {first: functools.partial(_raise_timeout, problem, remedy), **dict.fromkeys(paths[1:], rest)}


def _raise_timeout(problem: str, remedy: str) -> t.NoReturn:
    raise TimedOut(problem, remedy=remedy)
