# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds tools with ``go install`` as an unprivileged account, in a temporary directory and a fixed environment."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import types
import typing as t

from .._core.errors import DevserverError
from .._core.redaction import redacted, without_secrets
from .._environment.go_command import go_env
from .._host.command import SYSTEM_PATH, Completed, run
from .._host.disk_space import read_free_space
from .._host.files import open_nonblocking
from .._host.user_access import acting_as
from .._shells.scripts import SH_WATCHED
from .build_directory import BuildDirectory
from .build_info import BuildInfo, read_build_info
from .pins import Tool

# The maximum size in bytes of a binary or of a file of a module; Go rejects modules of more than 500 MiB.
LARGEST_OUTPUT = 1 << 30
_CHUNK = 1 << 20
# Seconds in which a source of modules must send something; go itself waits for ever.
_SILENCE = 60.0
# The last characters of go's messages that are read.
_LONGEST_STDERR = 100_000

# The variables that a build inherits, to reach its sources and to verify them.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GOSUMDB", "GONOSUMDB", "GOPRIVATE")
_INHERITED = (*_TRUST, *_PROXIES, *map(str.lower, _PROXIES))
_PLATFORM = ("GOOS", "GOARCH", "GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64")


class Go(t.NamedTuple):
    """An installed Go: its tree (links resolved), its version, and the platform settings that it builds for.

    ``cross`` is set if these are not the settings of this host.
    """

    goroot: str
    version: str
    platform: dict[str, str]
    cross: bool = False

    @property
    def command(self) -> str:
        return os.path.join(self.goroot, "bin", "go")


def has_go(goroot: str) -> bool:
    """Return whether there is a go command in ``goroot``."""
    return os.access(os.path.join(goroot, "bin", "go"), os.X_OK)


def find_go(goroot: str, target: t.Mapping[str, str] = types.MappingProxyType({})) -> Go:
    """Return the Go at ``goroot``; raise DevserverError if there is none, or if it does not run.

    ``target`` has GOARCH and similar variables for a build for another platform.
    """
    if not has_go(goroot):
        raise DevserverError(
            f"there is no Go at {goroot} to build tools with",
            expected=f"an executable {goroot}/bin/go",
            remedy="install Go with the role toolchain, or correct goroot",
            path=goroot,
        )
    tree = os.path.realpath(goroot)
    # Without HOME go writes no files of its own.
    env = {"PATH": SYSTEM_PATH, "GOENV": "off", "GOTOOLCHAIN": "local", **target}
    values = go_env(os.path.join(tree, "bin", "go"), "GOVERSION", *_PLATFORM, env=env)
    platform = {name: values[name] for name in _PLATFORM if values.get(name)}
    return Go(tree, values["GOVERSION"], platform, cross=bool(target))


class ExpectedBuild(t.NamedTuple):
    """The expected build info of a tool; ``go`` is empty if no Go is installed yet."""

    tool: Tool
    go: str
    settings: dict[str, str]

    def text(self) -> str:
        """Return the lines for a diff, in the form of ``describe``."""
        return _lines(self.tool.package, self.tool.version, self.go, self.settings)

    def describe(self, info: BuildInfo) -> str:
        """Return the same fields of ``info`` as lines for a diff."""
        return _lines(info.package, info.version, info.go, self._settings(info))

    def difference(self, info: BuildInfo) -> str:
        """Return why a binary with ``info`` has to be rebuilt, or an empty text if it is as expected."""
        if (info.package, info.version) != (self.tool.package, self.tool.version):
            return "other version"
        if info.go != self.go:
            return "built by another Go"
        return "other build settings" if self._settings(info) != self.settings else ""

    def verify(self, binary: str, origin: str) -> BuildInfo:
        """Return the build info of ``binary``; raise DevserverError if it is not this build.

        ``origin``, "built" or "copied", is for messages.
        """
        info = read_build_info(binary)
        difference = self.difference(info)
        if difference:
            raise DevserverError(
                f"the {origin} binary of {self.tool} is another one: {difference}",
                expected=self.text().strip().replace("\n", ", "),
                remedy="compare the build info in built with the expected one, and correct the tool's declaration",
                built=self.describe(info).splitlines(),
            )
        return info

    def _settings(self, info: BuildInfo) -> dict[str, str]:
        return {name: info.settings.get(name, "") for name in self.settings}


def _lines(package: str, version: str, go: str, settings: t.Mapping[str, str]) -> str:
    values = dict({"package": package, "version": version, "go": go}, **settings)
    return "".join(f"{name} {value}\n" for name, value in values.items() if value)


def expect_build(tool: Tool, go: Go | None) -> ExpectedBuild:
    """Return the build info of ``tool`` as ``go`` records it."""
    settings = {
        "-tags": ",".join(tool.tags),
        "-trimpath": "true",
        "CGO_ENABLED": str(int(tool.cgo)),
        # Empty, so that a binary that was built with these flags differs.
        "-gcflags": "",
        "-asmflags": "",
    }
    # With -trimpath go does not record -ldflags, since they may contain paths.
    recorded = (flag.partition("=") for flag in tool.flags if not flag.startswith("-ldflags="))
    settings.update({name: _quote(value) for name, _equals, value in recorded})
    return ExpectedBuild(tool, go.version if go else "", dict(settings, **(go.platform if go else {})))


def _quote(value: str) -> str:
    """Return a value of a build setting as go records it."""
    return json.dumps(value, ensure_ascii=False) if re.search(r"[ \"`]", value) else value


def build_key(build: ExpectedBuild) -> str:
    """Return the name of a build: the same on all hosts that can share its binary, and different on all others."""
    tool = build.tool
    identity = [build.text(), *tool.flags]
    parts = [tool.name, tool.version, build.go, build.settings.get("GOOS", ""), build.settings.get("GOARCH", "")]
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    return re.sub(r"[^\w.+-]+", "_", "-".join([*parts, digest]))


# Patterns of go's messages, the cause ({} is the captured text, {space} the free space) and the remedy ({directory}
# contains the builds).
_CAUSES = (
    (
        r"requires go >= ([\w.]+)",
        "it needs Go {} or later",
        "declare a version of the tool that this Go can build, or a newer Go as its goroot",
    ),
    (
        r"SECURITY ERROR|checksum mismatch|(?:verifying|missing) .*(?:sumdb|go\.sum|checksum database)",
        "its source does not verify",
        "compare the proxy's copy with the checksum database, and find out who changed it; leave verification on",
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
        "check goproxy, and this host's proxy variables, name resolution and certificate authorities",
    ),
    (
        r"unknown revision|invalid version|40[0134] |410 Gone|no matching versions|(?:info|mod|zip): no such file",
        "there is no such version, or the proxy does not have it",
        "list the versions with go list -m -versions, and correct the pin or goproxy",
    ),
    (r"no space left on device|disk quota exceeded", "{space}", "free about 1 GB for each build in {directory}"),
    (r"C compiler .* not found", "it is declared with cgo, and there is no C compiler", "install gcc, or drop cgo"),
    (
        r"^# [\w./-]+$",
        "it does not compile",
        "declare a version of the tool that supports this Go, or another Go as its goroot",
    ),
)


class Builder(t.NamedTuple):
    """Where and how tools are built: all builds share the caches in the ``directory``, which is empty at first.

    ``timeout``, in seconds, is for each build; ``timeout_option`` names it in messages.
    """

    directory: BuildDirectory
    goproxy: str
    timeout: float
    timeout_option: str = "devserver_tools_timeout (timeout)"

    def build(self, tool: Tool, go: Go, destination: str) -> None:
        """Build ``tool`` with ``go`` into the new file ``destination``; raise DevserverError on failure."""
        target = os.path.join(self.directory.work, "bin", os.path.basename(destination))
        # go has a directory for each foreign platform below GOPATH, and does not install for one into GOBIN.
        variables = dict(go.platform, GOPATH=target) if go.cross else {"GOBIN": target}
        options = ["-trimpath", "-modcacherw", "-tags=" + ",".join(tool.tags), *tool.flags]
        result = self.run(go, ["install", *options, str(tool)], CGO_ENABLED=str(int(tool.cgo)), **variables)
        if not result.ok:
            raise self.failure(f"build {tool} with {go.version} of {tool.goroot}", result, result.stderr)
        with acting_as(self.directory.account):
            descriptor = open_nonblocking(_find_executable(target), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            copy_binary(source, destination)

    def run(self, go: Go, arguments: t.Sequence[str], *, cwd: str = "", **variables: str) -> Completed:
        """Run ``go`` with ``arguments`` in the environment of a build and with ``variables``; return the result."""
        argv = [go.command, *arguments]
        result = run(
            ["/bin/sh", "-c", SH_WATCHED, "sh", self.directory.alive, *argv],
            env=dict(self._environment(go), **variables),
            cwd=cwd or self.directory.work,
            account=self.directory.account,
            timeout=self.timeout,
            pass_fds=[self.directory.lock],
            silence=_SILENCE,
        )
        return result._replace(argv=argv)

    def explain(self, result: Completed, stderr: str) -> tuple[str, str]:
        """Return the cause of a failed ``result`` with this redacted ``stderr``, and the remedy."""
        if result.silent_sources:
            sources = ", ".join(result.silent_sources)
            proxy = redacted(self.goproxy) if self.goproxy else "the default of go"
            return (
                f"nothing arrived for {_SILENCE:g} seconds from {sources} (GOPROXY is {proxy})",
                "check with curl on this host that the module proxy responds, or correct goproxy",
            )
        if result.returncode is None:
            return f"it timed out after {self.timeout:g} seconds", f"raise {self.timeout_option}, or reduce the load"
        for pattern, cause, remedy in _CAUSES:
            match = re.search(pattern, stderr, re.MULTILINE)
            if match:
                directory = os.path.dirname(self.directory.top)
                space = read_free_space(directory)
                return cause.format(*match.groups(), space=space), remedy.format(directory=directory)
        return "go failed", "read the message of go, and run the command in cmd by hand"

    def failure(self, action: str, result: Completed, stderr: str, expected: str = "") -> DevserverError:
        """Return the error for an ``action`` whose ``result`` is a failure; ``stderr`` is redacted here."""
        stderr = without_secrets(stderr.strip()[-_LONGEST_STDERR:])
        cause, remedy = self.explain(result, stderr)
        lines = [line for line in stderr.splitlines() if not line.startswith("go: downloading ")][-3:]
        return DevserverError(
            f"cannot {action}: {cause}" + (f" (go reports: {' / '.join(lines)})" if lines else ""),
            expected=expected,
            remedy=remedy,
            cmd=list(result.argv),
            rc=result.returncode,
            stderr=stderr,
        )

    def _environment(self, go: Go) -> dict[str, str]:
        env = {name: os.environ[name] for name in _INHERITED if os.environ.get(name)}
        directories = {"GOPATH": "gopath", "GOMODCACHE": "mod", "GOCACHE": "cache", "HOME": "", "TMPDIR": ""}
        env.update({name: os.path.join(self.directory.work, directory) for name, directory in directories.items()})
        env.update(
            PATH=os.path.join(go.goroot, "bin") + ":" + SYSTEM_PATH,
            LC_ALL="C",
            GOENV="off",
            GOFLAGS="",
            GOTOOLCHAIN="local",
            GO111MODULE="on",
        )
        return dict(env, GOPROXY=self.goproxy) if self.goproxy else env


def _find_executable(top: str) -> str:
    """Return the path of the one file that ``go install`` has written somewhere below ``top``."""
    return next(os.path.join(directory, file) for directory, _names, files in os.walk(top) for file in files)


def copy_binary(source: t.BinaryIO, destination: str) -> None:
    """Copy an open regular file to the new file ``destination``, executable for all users."""
    with open(destination, "xb") as file:
        copy_output(source, file)
        os.fchmod(file.fileno(), 0o755)
        file.flush()
        os.fsync(file.fileno())


def copy_output(source: t.BinaryIO, file: t.BinaryIO) -> None:
    """Copy an open regular file of the build's user, who can make a sparse file of terabytes of it, to ``file``."""
    status = os.fstat(source.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_OUTPUT:
        raise DevserverError(
            f"the source of {file.name} is not a regular file of at most {LARGEST_OUTPUT} bytes",
            expected="a binary, or a file of a module",
            remedy="run again; if this happens again, check which programs run as the user of the build",
        )
    # Not more bytes than that: the file may still grow.
    for start in range(0, status.st_size, _CHUNK):
        file.write(source.read(min(_CHUNK, status.st_size - start)))
