# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site to make bundles at: archives of Go with this machine's ``go``, a module proxy in a directory, a workspace."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.archive import write_bundle
from ansible_collections.gopherops.devserver.plugins.module_utils._bundle.manifest import Entry, Manifest
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.dirhash import h1, h1_of_zip
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.platform import this_platform

from tests.support.directories import public_directory
from tests.support.module_proxy import publish_module

COLLECTIONS = pathlib.Path(errors.__file__).parents[6]
HERE = this_platform()
VERSION = "1.99.1"
FOREIGN = "linux-s390x"
RUN = """
import sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.gopherops.devserver.plugins.modules.go_bundle import main
main()
"""
HELLO = 'package main\n\nfunc main() { println("hello") }\n'
MODULES = {
    "example.com/tool@v1.0.0": ("", {"main.go": HELLO}),
    "example.com/tool@v1.1.0": ("", {"main.go": HELLO}),
    "example.com/broken@v1.0.0": ("", {"main.go": "package main\n\nfunc main() { undefined() }\n"}),
    "example.com/Deep@v0.1.0": ("", {"deep.go": 'package deep\n\nconst Word = "deep"\n'}),
    "example.com/dep@v1.2.0": (
        "require example.com/Deep v0.1.0\n",
        {"dep.go": 'package dep\n\nimport deep "example.com/Deep"\n\nconst Word = deep.Word\n'},
    ),
}
MAIN = 'package main\n\nimport "example.com/dep"\n\nfunc main() { println(dep.Word) }\n'


def go_mod(module: str, requires: str) -> str:
    return f"module {module}\n\ngo 1.21\n\n{requires}"


def publish(directory: pathlib.Path) -> dict[str, str]:
    """Write MODULES as a proxy serves them; return the lines of go.sum by module and version."""
    sums = {}
    for name, (requires, files) in MODULES.items():
        module, version = name.split("@")
        text = go_mod(module, requires)
        whole = h1_of_zip(str(publish_module(directory, module, version, go_mod=text, files=files)))
        alone = h1({"go.mod": hashlib.sha256(text.encode()).hexdigest()})
        sums[name] = f"{module} {version} {whole}\n{module} {version}/go.mod {alone}\n"
    return sums


def go_archive(goroot: str) -> bytes:
    """Return the archive of a Go that reports VERSION, and otherwise runs the one at ``goroot``."""
    output = f"go version go{VERSION} {HERE.reported}"
    go = f'#!/bin/sh\n[ "$*" = version ] && exec echo "{output}"\nexec {goroot}/bin/go "$@"\n'
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in {"go/VERSION": f"go{VERSION}\n", "go/bin/go": go}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(packed.getvalue(), mtime=0)


class Site:
    """A site where bundles are made; ``make`` runs the module as ansible does."""

    def __init__(self, directory: pathlib.Path, goroot: str) -> None:
        self.directory = directory
        self.file = directory / "bundle.tar"
        self.work = directory / "work"
        self.workspace = directory / "src" / "shop"
        self.proxy = directory / "proxy"
        sums = publish(self.proxy)
        for name in ("archives", "work"):
            (directory / name).mkdir()
        archives = {HERE.archive: go_archive(goroot), FOREIGN: b"not unpacked"}
        for platform, content in archives.items():
            (directory / "archives" / f"go{VERSION}.{platform}.tar.gz").write_bytes(content)
        self.checksums = {VERSION: {name: hashlib.sha256(content).hexdigest() for name, content in archives.items()}}
        requires = "require example.com/dep v1.2.0\n\nrequire example.com/Deep v0.1.0 // indirect\n"
        self.write_workspace(
            {
                "go.mod": go_mod("example.com/shop", requires),
                "go.sum": sums["example.com/Deep@v0.1.0"] + sums["example.com/dep@v1.2.0"],
                "main.go": MAIN,
            }
        )

    def write_workspace(self, files: t.Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def make(self, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module with this site's options, updated with ``options``."""
        process = self.start(check=check, **options)
        stdout, stderr = process.communicate()
        assert stdout, stderr
        assert "Traceback" not in stderr
        result: dict[str, t.Any] = json.loads(stdout)
        return result

    def start(self, *, check: bool = False, **options: t.Any) -> subprocess.Popen[str]:
        arguments = {
            "file": str(self.file),
            "versions": [VERSION],
            "sources": ["archive"],
            "archive_dir": str(self.directory / "archives"),
            "checksums": self.checksums,
            "tools": [{"package": "example.com/tool", "version": "v1.0.0"}],
            "goproxy": self.proxy.as_uri(),
            "workspaces": [str(self.workspace)],
            "work_dir": str(self.work),
            **options,
        }
        # The checksum database does not contain these modules.
        env = dict(os.environ, PYTHONPATH=str(COLLECTIONS), GONOSUMDB="example.com")
        task = json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments, _ansible_check_mode=check, _ansible_diff=True)})
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", RUN, task], env=env, stdout=pipe, stderr=pipe, text=True)

    def members(self) -> dict[str, bytes]:
        """Return the content of every file in the bundle, in its order."""
        with tarfile.open(self.file, "r:") as archive:
            return {one.name: t.cast("t.IO[bytes]", archive.extractfile(one)).read() for one in archive}


@pytest.fixture
def site(quick_goroot: str) -> t.Iterator[Site]:
    """A site without a bundle, and with a Go that caches what it compiles."""
    with public_directory() as directory:
        yield Site(directory, quick_goroot)


@pytest.fixture
def site_with_plain_go(goroot: str) -> t.Iterator[Site]:
    """A site with a Go that no wrapper precedes."""
    with public_directory() as directory:
        yield Site(directory, goroot)


@pytest.fixture
def sites_with_one_go(goroot: str, quick_goroot: str) -> t.Iterator[tuple[Site, Site, t.Callable[[], None]]]:
    """Two sites in separate directories, whose Go caches nothing until the returned function is called."""
    with public_directory() as one, public_directory() as other, public_directory() as tree:
        (tree / "bin").mkdir()
        (tree / "bin/go").symlink_to(f"{goroot}/bin/go")

        def cache() -> None:
            (tree / "bin/go").unlink()
            (tree / "bin/go").symlink_to(f"{quick_goroot}/bin/go")

        yield Site(one, str(tree)), Site(other, str(tree)), cache


@pytest.fixture(scope="session")
def _made(quick_goroot: str) -> t.Iterator[bytes]:
    with public_directory() as directory:
        site = Site(directory, quick_goroot)
        result = site.make()
        assert result.get("changed"), result
        yield site.file.read_bytes()


@pytest.fixture
def supplied(site: Site, _made: bytes) -> Site:
    """A site with the bundle made from its own options."""
    site.file.write_bytes(_made)
    return site


def entry(path: str, content: bytes, platform: str = "") -> Entry:
    kind = {"toolchains": "toolchain", "tools": "tool", "modules": "module", "extensions": "extension"}
    digest = hashlib.sha256(content).hexdigest()
    return Entry(path, len(content), digest, kind[path.split("/")[0]], f"test's {path}", platform)


def manifest_of(files: t.Mapping[str, bytes], platform: str = HERE.archive) -> Manifest:
    """Return the manifest of a bundle with these files, whose toolchains are for ``platform``."""
    needs = {"toolchains": platform, "tools": platform}
    return Manifest(
        {"made": "by hand"},
        [entry(path, content, needs.get(path.split("/")[0], "")) for path, content in files.items()],
    )


@pytest.fixture
def packed(tmp_path: pathlib.Path) -> t.Callable[..., pathlib.Path]:
    """Write a bundle with files of given content, under a name of its own."""

    def write(files: t.Mapping[str, bytes], name: str = "bundle.tar", signature: str = "") -> pathlib.Path:
        sources = {}
        for number, (path, content) in enumerate(files.items()):
            source = tmp_path / f"{name}.{number}"
            source.write_bytes(content)
            sources[path] = str(source)
        write_bundle(str(tmp_path / name), manifest_of(files).text(), signature, sources)
        return tmp_path / name

    return write
