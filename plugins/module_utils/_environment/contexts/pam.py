# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that PAM's pam_env module gives a session: written per user, and read back for its sources.

Formats: pam_env.conf(5) for ``conffile``, lines of ``NAME=value`` for ``envfile`` (/etc/environment).
"""

from __future__ import annotations

import contextlib
import glob
import grp
import hashlib
import itertools
import os
import re
import typing as t

from ..._core.errors import DevserverError
from ..._core.provenance import Assignment, Source
from ..._core.redaction import shown_value
from ..._host.accounts import Account, groups_of
from ..._host.assignments import find_assignments
from ..._host.command import SYSTEM_PATH
from ..._host.files import numbered_lines, read_text, read_text_or_empty
from ..._host.managed_block import with_block, without_block
from ..._host.managed_files import ManagedFile, files_of_removed, named_files, whole_file
from ..._host.remembered import remembered
from ..._host.user_texts import read_texts
from ..declaration import Declaration

SERVICE = "/etc/pam.d/gopherops-go"
# For the declared users alone: what other users start by su or sudo keeps the PATH it was started with.
USERS_SERVICE = "/etc/pam.d/gopherops-go-users"
DIRECTORY = "/etc/security/gopherops-go"
ENVIRONMENT = "/etc/environment"
HOOK = f"session include {os.path.basename(SERVICE)}\n"
USERS_HOOK = f"session include {os.path.basename(USERS_SERVICE)}\n"
_FALLBACK = "other"
# The services of a distribution that keeps /etc for the administrator. A file in /etc replaces the one here.
_VENDOR = "/usr/lib/pam.d"
# In the block of a service that the collection has copied from there: the lines outside of the block, as copied.
_COPY = "# above: a copy of {}, sha256 {}\n"
_COPIED = re.compile(r"^# above: a copy of \S+, sha256 ([0-9a-f]{64})$", re.MULTILINE)

_PAM_ENV = "session optional pam_env.so readenv=0 conffile=%s\n"
_ONLY_FOR = "session [success=ignore default=1] pam_succeed_if.so quiet user = %s\n"
_INCLUDES = ("@include", "include", "substack")
# How many files include each other at most.
_DEEPEST = 8
# Linux-PAM 1.4 and 1.5 read lines of pam_env.conf into a buffer of this many bytes; later releases have no limit.
_LONGEST_LINE = 8192
# What pam_env cannot have in a value: a double quote ends it, # the line, and it drops each backslash.
_IMPOSSIBLE = re.compile(r'["#\\]')
# PAM and cron use an entry as it is written: they expand neither $, ` nor ~.
_USABLE = re.compile(r'/[^$`"#\\\x00-\x1f\x7f]*')
# OVERRIDE wins over DEFAULT.
_DEFAULT = re.compile(
    r'\s*(?P<name>[A-Za-z_]\w*)\s+(?:DEFAULT=(?:"[^"]*"|\S*)\s+(?=OVERRIDE))?'
    r'(?:DEFAULT|OVERRIDE)=(?P<value>"[^"]*"|\S*)'
)
# An escaped character, or a field of the account.
_FIELD = re.compile(r"\\(.?)|@\{(?:HOME|SHELL)\}")
_VARIABLE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)")
_LIMITS = "/etc/security/limits"
_RANGE = re.compile(r"(?P<low>\d*):(?P<high>\d*)")
# A session with fewer starts no unit.
_FEW_PROCESSES = r"[0-9]|[1-4][0-9]"
_TO_EXPAND = re.compile("[$`~]")
# Without these a user has no commands at all.
_REQUIRED = frozenset(("/usr/bin", "/bin"))


def managed_files(declaration: Declaration) -> list[ManagedFile]:
    """Return the PAM services that others include, and the configuration they give each user."""
    rest = system_path()
    everyone, pattern = everyones_configuration(), user_configuration("*")
    contents = {everyone: _render({}, declaration.path, rest)}
    users = named_files(pattern)
    for user in declaration.users:
        path = users[user.account.name] = user_configuration(user.account.name)
        contents[path] = _render(user.variables, user.path, rest)
    # The users of earlier runs too, in an order that does not depend on who is listed.
    kept = [name for name in sorted(users) if not declaration.removes(name)]
    service = "".join(_ONLY_FOR % name + _PAM_ENV % users[name] for name in kept)
    return [
        # PAM reads them as root; a user's variables may hold a proxy's password.
        *(whole_file(path, text, mode=0o600) for path, text in contents.items()),
        # The services come before the removal of what they no longer name, so that they never name a missing file.
        whole_file(USERS_SERVICE, service),
        whole_file(SERVICE, _PAM_ENV % everyone + USERS_HOOK),
        *files_of_removed(pattern, declaration.removes),
    ]


def find_service(path: str) -> str | None:
    """Return the file of the PAM service that /etc has at ``path``: this, or that of the distribution; None without."""
    return next(filter(os.path.isfile, (path, _vendor_file(path))), None)


def hooked(service: str, hook: str) -> ManagedFile:
    """Return a PAM service with the line ``hook`` after its own ones, which are the distribution's if /etc has none.

    PAM gives a service without session lines those of the service other. The hook would replace them, so that sessions
    of undeclared users are denied: it includes them then.
    """

    def content(now: str | None) -> str | None:
        own_lines, mark = _own_lines(now, service)
        other = find_service(os.path.join(os.path.dirname(service), _FALLBACK))
        falls_back = not _has_session_lines(own_lines, service) and other
        include = f"session include {_FALLBACK}\n" if falls_back else ""
        return with_block(own_lines if mark else now or "", mark + include + hook, path=service, first=False)

    return ManagedFile(service, content, whole=False)


def unhooked(service: str) -> ManagedFile:
    """Return a PAM service without the block; none if nothing but a copy of the distribution's file was in it."""

    def content(now: str | None) -> str | None:
        own_lines, mark = _own_lines(now, service)
        return None if mark or now is None else own_lines

    return ManagedFile(service, content, whole=False)


def _own_lines(now: str | None, service: str) -> tuple[str, str]:
    """Return the lines of a service without the block, and what marks them as the present ones of the distribution.

    A copy follows the distribution's file. It is the host's own as soon as somebody edits it, or that file is gone.
    """
    own_lines, copied = without_block(now or "", path=service), _COPIED.search(now or "")
    if now is not None and not (copied and copied.group(1) == _digest(own_lines)):
        return own_lines, ""
    vendor = read_text(_vendor_file(service))
    if vendor is None:
        return own_lines, ""
    vendor += "" if vendor.endswith("\n") else "\n"
    return vendor, _COPY.format(_vendor_file(service), _digest(vendor))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _vendor_file(service: str) -> str:
    return os.path.join(_VENDOR, os.path.basename(service))


def _included(service: str, name: str) -> str:
    """Return the file that a service includes by ``name``: libpam looks into /etc first, from every file."""
    directory = os.path.dirname(SERVICE if service.startswith(f"{_VENDOR}/") else service)
    path = os.path.join(directory, name)
    return find_service(path) or path


def _has_session_lines(text: str, service: str, depth: int = 0) -> bool:
    for words in _session_lines(text):
        if words[0] not in _INCLUDES:
            return True
        included = _included(service, words[1])
        if depth < _DEEPEST and _has_session_lines(read_text(included) or "", included, depth + 1):
            return True
    return False


def user_configuration(user: str) -> str:
    """Return the file of what PAM sets for a user."""
    return _configuration(f"user-{user}")


def everyones_configuration() -> str:
    """Return the file of what PAM sets for users who are not declared."""
    return _configuration("everyone")


def _configuration(name: str) -> str:
    return os.path.join(DIRECTORY, name + ".conf")


def host_path() -> Assignment | None:
    """Return the last line of /etc/environment that sets PATH, which is the one in force; None without one."""
    lines = [item for item in _environment_file(ENVIRONMENT) if item.name == "PATH"]
    return lines[-1] if lines else None


def describe_host_path(path: Assignment | None) -> str:
    """Return what is wrong with the PATH of /etc/environment; empty for nothing."""
    if path is None:
        return ""
    entries = path.value.rstrip("\r").split(":")
    wrong = [entry for entry in entries if entry and not is_usable(entry)]
    unexpanded = [entry for entry in wrong if _TO_EXPAND.search(entry)]
    relative = [repr(entry) for entry in wrong if entry not in unexpanded]
    problems = [
        f"PAM does not expand {', '.join(unexpanded)} in the PATH of /etc/environment" if unexpanded else "",
        f"PATH contains {', '.join(relative)}, which is relative to the current directory" if relative else "",
        f"{'it' if wrong else 'PATH'} lacks /usr/bin" if "/usr/bin" not in entries else "",
    ]
    return "; ".join(filter(None, problems))


def is_usable(entry: str) -> bool:
    """Return whether an entry of PATH names a directory as it is written."""
    return _USABLE.fullmatch(entry) is not None


def system_path() -> list[str]:
    """Return the usable directories of the host's own PATH, and after them the standard ones that it must not lack."""
    return [*_host_directories(), *missing_directories()]


def missing_directories() -> list[str]:
    """Return the standard directories that the host's own PATH lacks; none where it has /usr/bin and /bin."""
    present = _host_directories()
    return [] if set(present) >= _REQUIRED else [entry for entry in SYSTEM_PATH.split(":") if entry not in present]


def _host_directories() -> list[str]:
    declared = host_path()
    entries = (declared.value if declared else SYSTEM_PATH).split(":")
    return list(dict.fromkeys(filter(is_usable, entries)))


def _render(variables: t.Mapping[str, str], path: list[str], rest: list[str]) -> str:
    if not variables and not path:
        return ""
    everything = dict(variables, PATH=":".join(path + [entry for entry in rest if entry not in path]))
    return "".join(_line(name, value) for name, value in everything.items())


def _line(name: str, value: str) -> str:
    if _IMPOSSIBLE.search(value):
        raise DevserverError(
            f"{name} has the value {shown_value(name, value)!r}",
            expected="a value without double quotes, backslashes and #",
            remedy="remove them: PAM, which sets it for commands over ssh, does not support them",
        )
    line = '{} DEFAULT="{}"\n'.format(name, re.sub("([$@])", r"\\\1", value))
    if len(line.encode("utf-8", "surrogateescape")) >= _LONGEST_LINE:
        host = host_path() if name == "PATH" else None
        is_cause = host is not None and 2 * len(host.value) > len(value)
        raise DevserverError(
            f"{name} is too long for PAM, which sets it for commands over ssh",
            expected=f"less than {_LONGEST_LINE} bytes",
            remedy=f"shorten {host.source}" if host and is_cause else f"declare a shorter {name}",
        )
    return line


@remembered
def assignments(service: str, account: Account, timeout: float = 5) -> list[Assignment]:
    """Return what the pam_env lines of a PAM service set for ``account``, in order, with file and line."""
    variables: list[Assignment] = []
    for options in _pam_env_lines(find_service(service) or service, account):
        path = options.get("conffile", "/etc/security/pam_env.conf")
        variables += _configuration_lines(read_text(path), path, account)
        if options.get("readenv", "1") != "0":
            variables += _environment_file(options.get("envfile", ENVIRONMENT))
        # Recent releases of Linux-PAM have neither the option nor the file.
        if options.get("user_readenv", "0") != "0":
            path = os.path.join(account.home, options.get("user_envfile", ".pam_environment"))
            variables += _user_file(path, account, timeout)
    return variables


@remembered
def _user_file(path: str, account: Account, timeout: float) -> list[Assignment]:
    return _configuration_lines(read_texts([path], account, timeout).get(path), path, account)


@remembered
def limits(account: Account) -> list[Assignment]:
    """Return the lines of PAM's resource limits for ``account``, by the names of the resources, the strongest last."""
    files = [f"{_LIMITS}.conf", *sorted(glob.glob(f"{_LIMITS}.d/*.conf"))]
    lines = ((path, number, line.split()) for path in files for number, line in numbered_lines(read_text(path) or ""))
    by_strength: list[list[Assignment]] = [[], [], []]
    for path, number, words in lines:
        strength = _limit_strength(words[0], account) if len(words) > 3 else 0
        if strength:
            by_strength[strength - 1].append(Assignment(words[2], words[3], Source("file", path, number)))
    return [*itertools.chain.from_iterable(by_strength)]


def _limit_strength(domain: str, account: Account) -> int:
    """Return 0 if a line of limits for ``domain`` is not for ``account``; else 1 for all users, 2 for a group, 3.

    With a range of groups only the user's primary group counts. Those of ``%`` limit only the number of logins.
    """
    group, name = domain.startswith("@"), domain.lstrip("@")
    within = _RANGE.fullmatch(name)
    if domain == account.name:
        return 3
    if within and (within["low"] or within["high"]):
        low, high = within["low"] or within["high"], within["high"]
        numbers = groups_of(account) if group and not within["low"] else [account.gid if group else account.uid]
        matches = any(int(low) <= number <= int(high or number) for number in numbers)
        return (2 if group else 3) if matches else 0
    if account.uid == 0:
        return 0  # Such lines do not apply to root.
    if group:
        with contextlib.suppress(KeyError):
            return 2 if grp.getgrnam(name).gr_gid in groups_of(account) else 0
    return int(domain == "*")


def describe_low_limit(account: Account) -> str:
    """Return a line of PAM's resource limits that leaves ``account`` few processes, in words; empty without one."""
    few = (item for item in limits(account) if item.name == "nproc" and re.fullmatch(_FEW_PROCESSES, item.value))
    return next((f": {item.source} limits its processes to {item.value}" for item in few), "")


def _pam_env_lines(service: str, account: Account, depth: int = 0) -> t.Iterator[dict[str, str]]:
    """Yield the options of each session line of pam_env that is reached for ``account``."""
    skip = 0
    for words in _session_lines_in(service):
        if skip:
            skip -= 1
        elif words[0] in _INCLUDES and depth < _DEEPEST:
            yield from _pam_env_lines(_included(service, words[1]), account, depth + 1)
        elif words[1] == "pam_succeed_if.so" and words[-3:-1] == ["user", "="]:
            jump = re.search(r"default=(\d+)", words[0])
            skip = int(jump.group(1)) if jump and words[-1] != account.name else 0
        elif words[1] == "pam_env.so":
            yield dict(word.split("=", 1) for word in words[2:] if "=" in word)


@remembered
def _session_lines_in(service: str) -> list[list[str]]:
    """Return the session lines of a service: those of the collection have lines of each user."""
    return list(_session_lines(read_text(service) or ""))


def find_program(service: str) -> Source | None:
    """Return the only session line of a PAM service, or of what it includes, that runs a program; else None."""
    places = {*_program_lines(find_service(service) or service)}
    return places.pop() if len(places) == 1 else None


def _program_lines(service: str, depth: int = 0) -> t.Iterator[Source]:
    for number, line in numbered_lines(read_text_or_empty(service)):
        for words in _session_lines(line):
            if words[0] in _INCLUDES and depth < _DEEPEST:
                yield from _program_lines(_included(service, words[1]), depth + 1)
            elif os.path.basename(words[1]) == "pam_exec.so":
                yield Source("file", service, number)


def _session_lines(text: str) -> t.Iterator[list[str]]:
    """Yield ``[control, module, options…]`` of session lines and ``["@include", name]`` of Debian's includes."""
    for line in text.replace("\\\n", " ").split("\n"):
        match = re.match(r"-?session\s+(\[[^]]*\]|\S+)\s+(\S.*)", line)
        if match:
            yield [match.group(1), *match.group(2).split()]
        elif re.match(r"@include\s+\S", line):
            yield line.split()[:2]


def _configuration_lines(text: str | None, path: str, account: Account) -> list[Assignment]:
    fields = {"@{HOME}": account.home, "@{SHELL}": account.shell}

    def expanded(value: str) -> str:
        return _FIELD.sub(lambda part: part.group(1) or fields.get(part.group(), ""), value.strip('"'))

    return find_assignments(text, path, _DEFAULT, expanded)


@remembered
def _environment_file(path: str) -> list[Assignment]:
    return find_assignments(read_text(path), path, _VARIABLE, _unquoted)


def _unquoted(value: str) -> str:
    """Return a value as pam_env reads it: without a shell, so that words and quotes inside stay as they are."""
    value = value.partition("#")[0].rstrip(" \t")
    if not value.startswith(("'", '"')):
        return value
    return value[1:-1] if value[1:].endswith(("'", '"')) else value[1:]
