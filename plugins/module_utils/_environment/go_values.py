# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validates the values of declared variables: by their formats, and by the Go that will read them."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted
from .._host.accounts import Account
from .._host.command import SYSTEM_PATH, run
from .._host.files import read_text
from .._host.user_access import call_as, each_as, may_access
from .go_command import first_error

if t.TYPE_CHECKING:
    from .declaration import Declaration, UserEnvironment

# The values of a variable that go itself accepts, and what they are. Go validates some of them only when it needs them.
_TOOLCHAIN = r"go1[\w.-]*"
_DATABASE = r"sum\.golang\.org|sum\.golang\.google\.cn|[^\s+]+\+[^\s+]+\+\S+"
# go removes no space from a pattern, which then matches nothing.
_PATTERNS = (r"[^\s,]*(,[^\s,]*)*", "patterns such as *.example.com, separated by commas without spaces")
_FORMATS = {
    **dict.fromkeys(("GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE"), _PATTERNS),
    "CGO_ENABLED": ("[01]", "0 or 1"),
    "GO111MODULE": ("on|off|auto", "on, off or auto"),
    "GODEBUG": (r"\w+=[^,]*(,\w+=[^,]*)*", "settings such as netdns=go, separated by commas"),
    "GOFLAGS": (r"(\s*(-\S+|'-[^']+'))*\s*", "flags that begin with -, such as -mod=readonly"),
    "GOGC": (r"off|\d+", "a percentage such as 100, or off"),
    "GOMAXPROCS": (r"\d+", "a number"),
    "GOMEMLIMIT": (r"off|\d+([KMGT]iB|B)?", "a number of bytes such as 2GiB, or off"),
    "GOSUMDB": (rf"off|({_DATABASE})( \S+)?", "off, sum.golang.org, or the name and key of another database"),
    "GOTOOLCHAIN": (
        rf"default|local|auto|path|{_TOOLCHAIN}|(local|{_TOOLCHAIN})\+(auto|path)",
        "local, auto, path, or a toolchain such as go1.22.12",
    ),
    "GOVCS": (r"[^:,]+:\w+(\|\w+)*(,[^:,]+:\w+(\|\w+)*)*", "patterns and version control systems such as *:git"),
}


def _one_of(values: str) -> tuple[str, str]:
    return values.replace(".", r"\.").replace(" ", "|"), ", ".join(values.split())


# The values that any Go up to 1.26 accepts, and what they are: for a host that has no Go yet. An installed Go decides
# by itself, because a later one may accept more.
_KNOWN_VALUES = {
    "GO386": _one_of("sse2 softfloat"),
    "GOAMD64": _one_of("v1 v2 v3 v4"),
    "GOARCH": _one_of(
        "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x sparc64 wasm"
    ),
    "GOARM": ("[567](,(hard|soft)float)?", "5, 6 or 7, with or without ,hardfloat or ,softfloat"),
    "GOARM64": (
        r"(v8\.[0-9]|v9\.[0-5])(,lse|,crypto)*",
        "v8.0 to v8.9 or v9.0 to v9.5, with or without ,lse and ,crypto",
    ),
    "GOFIPS140": (r"off|latest|inprocess|certified|v1\.\d+\.\d+", "off, latest, inprocess, certified or v1.Y.Z"),
    "GOFLAGS": (r"(?!(.*\s)?'?--?mod=(?!(mod|readonly|vendor)?('|\s|$))).*", "-mod=mod, -mod=readonly or -mod=vendor"),
    "GOMIPS": _one_of("hardfloat softfloat"),
    "GOMIPS64": _one_of("hardfloat softfloat"),
    "GOOS": _one_of(
        "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows"
    ),
    "GOPPC64": _one_of("power8 power9 power10"),
    "GORISCV64": _one_of("rva20u64 rva22u64 rva23u64"),
    "GOWASM": ("(satconv|signext)(,(satconv|signext))*", "satconv, signext or both, separated by a comma"),
}
# What go takes for an address without a scheme has one of these characters.
_PROXY = re.compile(r"direct|off|noproxy|https?://[^\s/]\S*|file:///\S*|(?!\S*:/)(?!/)(?=\S*[.:/])\S+")
# The command reads all settings, and neither writes a file nor needs a network.
_READ_SETTINGS = ("list", "unsafe")
_CHOOSE_PLATFORM = ("build", "-n", "-o", os.devnull, "unsafe")
_PLATFORM = re.compile(r"unsupported GOOS/GOARCH pair .*")
# Programs that go starts; the value may have options.
PROGRAM_VARIABLES = ("CC", "CXX", "FC", "GCCGO", "AR", "PKG_CONFIG")
# A message that is only true outside of a module.
_NO_MODULE = "cannot find main module"


def validate_format(name: str, value: str, user: str) -> None:
    """Raise DevserverError for a value that go rejects, at once or only when it needs it."""
    if name == "GOPROXY":
        validate_proxies(value, f"GOPROXY of user {user}")
    _reject_other_values(_FORMATS, name, value, user, f"correct {name}")


def _reject_other_values(
    formats: t.Mapping[str, tuple[str, str]], name: str, value: str, user: str, remedy: str
) -> None:
    pattern, expected = formats.get(name, ("", ""))
    if value and pattern and not re.fullmatch(pattern, value):
        raise DevserverError(f"{name} of user {user} is {redacted(value)!r}", expected=expected, remedy=remedy)


def validate_proxies(value: str, option: str) -> None:
    """Raise DevserverError for an entry of a GOPROXY that go rejects; go ignores spaces around it."""
    for entry in filter(None, map(str.strip, re.split(r"[,|]", value))):
        if not _PROXY.fullmatch(entry):
            raise DevserverError(
                f"{option} has the entry {redacted(entry)!r}",
                expected="https, http or file addresses of proxies without spaces, direct or off",
                remedy="write addresses such as https://proxy.example.com, separated by commas, and %20 for a space",
            )


def validate_with_go(declaration: Declaration, *, required: bool) -> None:
    """Raise DevserverError for a value that the declared Go rejects, and where it is ``required`` for a missing Go.

    Values with a user's home name directories, which may not exist yet: go does not read them.
    """
    go = os.path.join(declaration.goroot, "bin/go")
    if not os.path.isfile(go):
        if required and declaration.users:
            raise DevserverError(
                f"devserver_goroot (goroot) is {declaration.goroot}, where there is no Go",
                expected=f"an executable {go}",
                remedy="run the role toolchain first, or correct devserver_goroot (goroot)",
                path=declaration.goroot,
            )
        _validate_without_go(declaration.users)
        return
    # Most users have the same values.
    users = {}
    for user in declaration.users:
        values = {name: value for name, value in user.variables.items() if user.account.home not in value}
        users[tuple(sorted(values.items()))] = user.account
    for items, account in users.items():
        _validate(go, dict(items), account)


def _validate_without_go(users: t.Iterable[UserEnvironment]) -> None:
    for user in users:
        for name, value in user.variables.items():
            remedy = f"correct {name}; or, if a later Go accepts it, install that Go first (--tags toolchain)"
            _reject_other_values(_KNOWN_VALUES, name, value, user.account.name, remedy)


def _validate(go: str, values: t.Mapping[str, str], account: Account) -> None:
    _validate_compilers(values, account)
    problem = _rejection(go, values, account)
    if problem:
        causes = [name for name in values if _rejection(go, {name: values[name]}, account)] or list(values)
        pairs = ", ".join(f"{name}={redacted(values[name])}" for name in causes)
        raise DevserverError(
            f"{go} rejects the variables of user {account.name}: {problem}",
            expected="values that this Go accepts",
            remedy=f"correct {pairs} in devserver_variables or in the user's variables",
            user=account.name,
            variables=causes,
        )


def _validate_compilers(values: t.Mapping[str, str], account: Account) -> None:
    paths = {name: values[name].split(" ")[0] for name in PROGRAM_VARIABLES if values.get(name, "").startswith("/")}
    if not paths:
        return
    runs = each_as(account, is_program, {path: path for path in paths.values()})
    missing = [name for name, path in paths.items() if not runs[path]()]
    if missing:
        raise DevserverError(
            "{} of user {} cannot be run".format(", ".join(f"{name}={paths[name]}" for name in missing), account.name),
            expected=f"programs that {account.name} may run",
            remedy=f"install them, or correct {', '.join(missing)} in devserver_variables or in the user's variables",
            user=account.name,
            variables=missing,
        )


def is_program(path: str) -> bool:
    """Return whether ``acting_as`` somebody, this process may run a program."""
    return os.path.isfile(path) and may_access(path, os.X_OK)


def missing_toolchain(user: UserEnvironment, goroot: str) -> str:
    """Return the toolchain that GOTOOLCHAIN of ``user`` names, if the host does not have it; empty otherwise."""
    name = user.variables.get("GOTOOLCHAIN", "").partition("+")[0]
    declared = (read_text(os.path.join(goroot, "VERSION")) or "").split("\n")[0].strip()
    if not re.fullmatch(_TOOLCHAIN, name) or name == declared:
        return ""
    programs = [os.path.join(directory, name) for directory in (*user.path, *SYSTEM_PATH.split(":"))]
    caches = [os.path.join(cache, "golang.org") for cache in (user.directories.get("GOMODCACHE"),) if cache]
    patterns = [f"{glob.escape(cache)}/toolchain@v0.0.1-{glob.escape(name)}.[a-z]*-*" for cache in caches]

    def is_present() -> bool:
        return any(map(os.path.isfile, programs)) or any(map(glob.glob, patterns))

    return "" if call_as(user.account, is_present) else name


def _rejection(go: str, values: t.Mapping[str, str], account: Account) -> str:
    """Return the message of go about the ``values``; empty if it accepts them."""
    fixed = {"PATH": SYSTEM_PATH, "GOENV": "off", "GOTOOLCHAIN": "local", "GOPATH": "/gopath", "GOCACHE": "off"}
    # From Go 1.23 on go counts itself in a file below this directory.
    env = {**values, **fixed, "XDG_CONFIG_HOME": os.devnull}
    read = run([go, *_READ_SETTINGS], env=env, account=account, timeout=20)
    if not read.ok and _NO_MODULE not in read.stderr:
        return redacted(first_error(read))
    if not {"GOOS", "GOARCH"} & values.keys():
        return ""
    platform = _PLATFORM.search(run([go, *_CHOOSE_PLATFORM], env=env, account=account, timeout=20).stderr)
    return platform.group() if platform else ""
