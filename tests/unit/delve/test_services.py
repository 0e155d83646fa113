# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries are judged, one by one and together."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import services_from

from .samples import LIMITS, attached, entry, service

REFUSED: list[tuple[dict[str, t.Any], str]] = [
    (entry(name="../api"), "name is '../api'"),
    (entry(name="a b"), "name is 'a b'"),
    (entry(name=""), "name is ''"),
    (entry(name="a/b"), "name is 'a/b'"),
    (entry(name=".."), "name is '..'"),
    (entry(name="a%b"), "name is 'a%b'"),
    (entry(name="a\n"), "name is"),
    (entry(name="x" * 49), "at most 48"),
    (entry(user="no-such-user"), "does not exist"),
    (entry(user="root", allow_root=False), "say allow_root"),
    (entry(listen="0.0.0.0:2345"), "others can reach it"),
    (entry(workspace=None), "workspace is ''.*an absolute folder"),
    (entry(workspace="src"), "workspace is 'src'"),
    (entry(workspace="/a/../b"), "an absolute folder without"),
    (entry(workspace="/a\nb"), "workspace is"),
    (entry(package="cmd/api"), "beginning with ./"),
    (entry(package="./../../etc"), "package is"),
    (entry(package="./..."), "the folder of one package"),
    (entry(package="/etc"), "package is"),
    (entry(package="example.com/x"), "package is"),
    (entry(process_unit="shop.service"), "a unit in mode attach, and none in the others"),
    (attached(process_unit=None), "a unit in mode attach"),
    (attached(process_unit="shop"), "such as api.service"),
    (attached(process_unit="a b.service"), "such as api.service"),
    (attached(process_unit="--now.service\n"), "such as api.service"),
    (attached(process_unit="dlv-api.service"), "another unit"),
    (attached(launch_configuration=True), "workspace is ''"),
    (entry(args=["a\0b"]), "one line of text"),
    (entry(args=["a\nb"]), "one line of text"),
    (entry(environment={"A B": "x"}), "names of letters"),
    (entry(environment={"A": True}), "environment of A"),
    (entry(environment={"A": ["x"]}), "environment of A"),
    (entry(environment={"A": "x\ny"}), "environment of A"),
    (entry(build_flags=["-o=/usr/bin/api"]), "folder of its own"),
    (entry(build_flags=["-o"]), "build_flags is '-o'"),
    (entry(build_flags=["--o", "/usr/bin/api"]), "build_flags is '--o'"),
    (entry(build_flags=["-C=/"]), "build_flags is"),
    (entry(build_flags=["-gcflags=all=-l"]), "build_flags is"),
    (entry(build_flags=["-trimpath"]), "build_flags is"),
    (entry(build_flags=["./other"]), "flags of go build"),
    (entry(build_flags=["-ldflags=-s -w"]), "they take what dlv reads"),
    (entry(build_flags=["-ldflags=-X main.v=1 '-w'"]), "they take what dlv reads"),
    (entry(memory="lots"), "such as 2G"),
    (entry(memory="0"), "at least 64M"),
    (entry(memory="2"), "at least 64M"),
    (entry(tasks=3), "16 or more"),
    (entry(cpu_weight=20000), "1 to 10000"),
    (entry(listen="/run/dlv/api/s", launch_configuration=True), "all that VS Code can reach"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_an_entry_that_cannot_be_is_refused_in_words(given: dict[str, t.Any], words: str) -> None:
    with pytest.raises(DevserverError, match=words) as error:
        services_from([given], limits=LIMITS, state="started")
    assert error.value.remedy


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"listen": "127.0.0.1:2346"}, "api and api both have the name api"),
        ({"name": "web"}, "api and web both listen on 127.0.0.1:2345"),
        ({"name": "web", "listen": "localhost:2345"}, "api and web both listen on 127.0.0.1:2345"),
    ],
)
def test_two_that_cannot_be_together_are_refused(second: dict[str, str], words: str) -> None:
    with pytest.raises(DevserverError, match=words):
        services_from([entry(), entry(**second)], limits=LIMITS, state="started")


def test_one_port_of_two_addresses_is_no_clash() -> None:
    entries = [entry(), entry(name="b", listen="127.0.0.2:2345"), entry(name="c", listen="[::1]:2345")]
    assert len(services_from(entries, limits=LIMITS, state="started")) == 3


def test_no_value_of_the_environment_is_repeated() -> None:
    with pytest.raises(DevserverError) as error:
        service(environment={"PASSWORD": "se\ncret"})
    assert "PASSWORD" in str(error.value) and "cret" not in str(error.value)


def test_what_an_entry_leaves_out_is_that_of_all() -> None:
    plain, own = service(), service(memory="512MB", tasks=64, cpu_weight=1, state="stopped")
    assert (plain.limits, plain.started, plain.folder) == (LIMITS, True, "/src/acme/cmd/api")
    assert (tuple(own.limits), own.started) == ((512 << 20, 64, 1), False)


@pytest.mark.parametrize(
    ("mode", "asked", "runs"), [("exec", True, True), ("exec", False, False), ("test", True, False)]
)
def test_tests_wait_for_whoever_attaches(mode: str, asked: bool, runs: bool) -> None:
    assert service(mode=mode, **{"continue": asked}).runs is runs
