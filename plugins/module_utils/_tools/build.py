# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds tools with ``go install`` as an unprivileged account, in a folder of their own and a given environment."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import types
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._core.redaction import redacted
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_command import go_env
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import acting_as
from ansible_collections.gopherops.devserver.plugins.module_utils._host.command import SYSTEM_PATH, Completed, run
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import open_at_once
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.build_info import BuildInfo
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.pins import Tool
from ansible_collections.gopherops.devserver.plugins.module_utils._tools.workshop import Workshop

# Runs "$2" and what follows. Its whole process group ends when nobody writes to the pipe "$1" any more, because the
# module was killed. For a moment the watcher opens the pipe for writing too: otherwise it might wait there for ever.
_WATCHED = """
(exec 0<>"$1" 0<"$1"; read -r line; kill -KILL 0) >/dev/null 2>&1 &
watcher=$!
shift
"$@"
status=$?
{ kill -KILL "$watcher"; wait "$watcher"; } 2>/dev/null
exit "$status"
"""
# What of the environment a build needs to reach its sources and to verify them.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GOSUMDB", "GONOSUMDB", "GOPRIVATE")
_KEPT = (*_TRUST, *_PROXIES, *map(str.lower, _PROXIES))
_PLATFORM = ("GOOS", "GOARCH", "GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64")


class Go(t.NamedTuple):
    """An installed Go: its tree (links resolved), its version, and the platform settings that it builds for.

    ``cross`` says that these are not those of this host.
    """

    goroot: str
    version: str
    platform: dict[str, str]
    cross: bool = False

    @property
    def command(self) -> str:
        return os.path.join(self.goroot, "bin", "go")


def has_go(goroot: str) -> bool:
    """Say whether there is a go command in ``goroot``."""
    return os.access(os.path.join(goroot, "bin", "go"), os.X_OK)


def installed_go(goroot: str, target: t.Mapping[str, str] = types.MappingProxyType({})) -> Go:
    """Return the Go at ``goroot``; raise DevserverError where there is none, or where it does not run.

    ``target`` gives GOARCH and its like where it is to build for another platform than this host's.
    """
    if not has_go(goroot):
        raise DevserverError(
            f"there is no Go at {goroot} to build tools with",
            expected=f"an executable {goroot}/bin/go",
            remedy="install Go first (the role toolchain does), or correct goroot",
            path=goroot,
        )
    tree = os.path.realpath(goroot)
    # Without HOME go leaves no trace of its own.
    env = {"PATH": SYSTEM_PATH, "GOENV": "off", "GOTOOLCHAIN": "local", **target}
    answer = go_env(os.path.join(tree, "bin", "go"), "GOVERSION", *_PLATFORM, env=env)
    platform = {name: answer[name] for name in _PLATFORM if answer.get(name)}
    return Go(tree, answer["GOVERSION"], platform, cross=bool(target))


class Wanted(t.NamedTuple):
    """What the build info of a tool shall say; ``go`` is empty where no Go is installed yet."""

    tool: Tool
    go: str
    settings: dict[str, str]

    def lines(self) -> str:
        """Return it as lines for a diff, in the form that ``described`` gives to what is installed."""
        return _lines(self.tool.package, self.tool.version, self.go, self.settings)

    def described(self, info: BuildInfo) -> str:
        """Return what ``info`` says about the same things, as lines for a diff."""
        return _lines(info.package, info.version, info.go, self._settings(info))

    def difference(self, info: BuildInfo) -> str:
        """Return why a binary with ``info`` has to be built anew, or nothing where it is what is wanted."""
        if (info.package, info.version) != (self.tool.package, self.tool.version):
            return "other version"
        if info.go != self.go:
            return "built by another Go"
        return "other build settings" if self._settings(info) != self.settings else ""

    def _settings(self, info: BuildInfo) -> dict[str, str]:
        return {name: info.settings.get(name, "") for name in self.settings}


def _lines(package: str, version: str, go: str, settings: t.Mapping[str, str]) -> str:
    values = dict({"package": package, "version": version, "go": go}, **settings)
    return "".join(f"{name} {value}\n" for name, value in values.items() if value)


def wanted_info(tool: Tool, go: Go | None) -> Wanted:
    """Return what the build info of ``tool`` shall say when ``go`` has built it."""
    settings = {"-tags": ",".join(tool.tags), "-trimpath": "true", "CGO_ENABLED": str(int(tool.cgo))}
    settings.update({"-gcflags": "", "-asmflags": ""})
    # go keeps -ldflags out of the build info of what it builds with -trimpath, as there may be paths in them.
    recorded = (flag.partition("=") for flag in tool.flags if not flag.startswith("-ldflags="))
    settings.update({name: _quoted(value) for name, _equals, value in recorded})
    return Wanted(tool, go.version if go else "", dict(settings, **(go.platform if go else {})))


def _quoted(value: str) -> str:
    """Return a value of a build setting as go writes it."""
    return json.dumps(value, ensure_ascii=False) if re.search(r"[ \"`]", value) else value


def build_key(wanted: Wanted) -> str:
    """Return a name for the binary that is ``wanted``: the same for all hosts that can share it, and for no other."""
    tool, identity = wanted.tool, [wanted.lines(), *wanted.tool.flags]
    parts = [tool.name, tool.version, wanted.go, wanted.settings.get("GOOS", ""), wanted.settings.get("GOARCH", "")]
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    return re.sub(r"[^\w.+-]+", "_", "-".join([*parts, digest]))


# What go says, what that means ({} for what it captures), and what to do ({folder} is where the workshop lies).
_CAUSES = (
    (
        r"requires go >= ([\w.]+)",
        "it needs Go {} or later",
        "declare a version of the tool that this Go can build, or a newer Go as its goroot",
    ),
    (
        r"SECURITY ERROR|checksum mismatch|(?:verifying|missing) .*(?:sumdb|go\.sum|checksum database)",
        "its source does not verify",
        "find out who changed it: compare the proxy's answer with the checksum database; do not switch the check off",
    ),
    (
        r"does not contain package|is not a main package|cannot find module providing",
        "there is no such main package in that module",
        "correct the import path",
    ),
    (
        r"dial tcp|connection refused|no such host|[Tt]imeout|x509:|tls:|proxyconnect|connection reset|unexpected EOF"
        r"|unrecognized import path|module lookup disabled|50[234] ",
        "its source cannot be reached",
        "check goproxy, and from this host the way to it: proxy variables, name service, certificate authorities",
    ),
    (
        r"unknown revision|invalid version|40[0134] |410 Gone|no matching versions|(?:info|mod|zip): no such file",
        "there is no such version, or the proxy does not give it out",
        "see which ones there are by go list -m -versions, and correct the pin or goproxy",
    ),
    (r"no space left on device", "the disk is full", "make room in {folder}, a build needs about 1 GB"),
    (r"C compiler .* not found", "it is declared with cgo and there is no C compiler", "install gcc, or drop cgo"),
    (
        r"^# [\w./-]+$",
        "it does not compile",
        "declare a version of the tool that is made for this Go, or another Go as its goroot",
    ),
)


class Builder(t.NamedTuple):
    """Where and how tools are built: all builds share the caches in the ``workshop``, which is empty at first.

    ``timeout``, in seconds, is for each build; ``limit`` is how the user calls it.
    """

    workshop: Workshop
    goproxy: str
    timeout: float
    limit: str = "devserver_tools_timeout (timeout)"

    def build(self, tool: Tool, go: Go, destination: str) -> None:
        """Build ``tool`` by ``go`` into the new file ``destination``; raise DevserverError where that fails."""
        place = os.path.join(self.workshop.work, "bin", os.path.basename(destination))
        # go has a folder for each foreign platform below GOPATH, and refuses to install for one into GOBIN.
        where = dict(go.platform, GOPATH=place) if go.cross else {"GOBIN": place}
        options = ["-trimpath", "-modcacherw", "-tags=" + ",".join(tool.tags), *tool.flags]
        done = self.run(go, ["install", *options, str(tool)], CGO_ENABLED=str(int(tool.cgo)), **where)
        if not done.ok:
            raise self._failure(tool, go, done)
        with acting_as(self.workshop.account):
            descriptor = open_at_once(_executable(place), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            copy_binary(source, destination)

    def run(self, go: Go, arguments: t.Sequence[str], *, cwd: str = "", **variables: str) -> Completed:
        """Run ``go`` with ``arguments`` in the environment of a build, changed by ``variables``, and return its end."""
        argv = [go.command, *arguments]
        done = run(
            ["/bin/sh", "-c", _WATCHED, "sh", self.workshop.alive, *argv],
            env=dict(self._environment(go), **variables),
            cwd=cwd or self.workshop.work,
            account=self.workshop.account,
            timeout=self.timeout,
            pass_fds=[self.workshop.lock],
        )
        return done._replace(argv=argv)

    def explained(self, done: Completed, said: str) -> tuple[str, str]:
        """Return what it means that ``done`` failed with the words ``said``, and what to do."""
        if done.returncode is None:
            what = f"it took longer than {self.timeout:g} seconds"
            return what, f"raise {self.limit}, or see what the host is busy with"
        for pattern, meaning, advice in _CAUSES:
            match = re.search(pattern, said, re.MULTILINE)
            if match:
                return meaning.format(*match.groups()), advice.format(folder=os.path.dirname(self.workshop.top))
        return "go failed", "see the message of go, and run the command by hand"

    def _failure(self, tool: Tool, go: Go, done: Completed) -> DevserverError:
        """Return the error for a build that failed, in terms of what the play declares."""
        said = redacted(done.stderr.strip())
        what, remedy = self.explained(done, said)
        return DevserverError(
            f"cannot build {tool} with {go.version} of {tool.goroot}: {what}{last_words(said)}",
            remedy=remedy,
            cmd=list(done.argv),
            rc=done.returncode,
            stderr=said,
        )

    def _environment(self, go: Go) -> dict[str, str]:
        env = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
        folders = {"GOPATH": "gopath", "GOMODCACHE": "mod", "GOCACHE": "cache", "HOME": "", "TMPDIR": ""}
        env.update({name: os.path.join(self.workshop.work, folder) for name, folder in folders.items()})
        env.update(
            PATH=os.path.join(go.goroot, "bin") + ":" + SYSTEM_PATH,
            LC_ALL="C",
            GOENV="off",
            GOFLAGS="",
            GOTOOLCHAIN="local",
            GO111MODULE="on",
        )
        return dict(env, GOPROXY=self.goproxy) if self.goproxy else env


def _executable(place: str) -> str:
    """Return the one file that ``go install`` has put somewhere below the folder ``place``."""
    return next(os.path.join(folder, file) for folder, _folders, files in os.walk(place) for file in files)


def copy_binary(source: t.BinaryIO, destination: str) -> None:
    """Copy an open file to the new file ``destination``, for all to execute; raise DevserverError for no file."""
    if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        raise DevserverError(f"what was built for {destination} is no regular file")
    with open(destination, "xb") as file:
        shutil.copyfileobj(source, file, 1024 * 1024)
        os.fchmod(file.fileno(), 0o755)
        file.flush()
        os.fsync(file.fileno())


def last_words(said: str) -> str:
    """Return the end of what go said, in parentheses for an error's message."""
    last = " / ".join([line for line in said.splitlines() if not line.startswith("go: downloading ")][-3:])
    return f" (go says: {last})" if last else ""
