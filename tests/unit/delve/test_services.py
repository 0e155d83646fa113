# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of entries, alone and together."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.services import parse_services

from .samples import LIMITS, attached, entry, service

INVALID: list[tuple[dict[str, t.Any], str]] = [
    (entry(name="../api"), "name is '../api'"),
    (entry(name="a b"), "name is 'a b'"),
    (entry(name=""), "name is ''"),
    (entry(name="a/b"), "name is 'a/b'"),
    (entry(name=".."), "name is '..'"),
    (entry(name="a%b"), "name is 'a%b'"),
    (entry(user="0"), "user name '0' is a number: systemd would start"),
    (entry(user="0x3E8"), "user name '0x3E8' is a number"),
    (entry(name="a\n"), "name is"),
    (entry(name="x" * 49), "at most 48"),
    (entry(user="no-such-user"), "does not exist"),
    (entry(user="root", allow_root=False), "set allow_root"),
    (entry(listen="0.0.0.0:2345"), "other hosts can reach"),
    (entry(workspace=None), "workspace is ''.*an absolute directory"),
    (entry(workspace="src"), "workspace is 'src'"),
    (entry(workspace="/a/../b"), "an absolute directory without"),
    (entry(workspace="/a\nb"), "workspace is"),
    (entry(package="cmd/api"), "beginning with ./"),
    (entry(package="./../../etc"), "package is"),
    (entry(package="./..."), "the directory of one package"),
    (entry(package="/etc"), "package is"),
    (entry(package="example.com/x"), "package is"),
    (entry(process_unit="shop.service"), "a unit in mode attach, and no unit in other modes"),
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
    (entry(build_flags=["-o=/usr/bin/api"]), "separate directory"),
    (entry(build_flags=["-o"]), "build_flags is '-o'"),
    (entry(build_flags=["--o", "/usr/bin/api"]), "build_flags is '--o'"),
    (entry(build_flags=["-C=/"]), "build_flags is"),
    (entry(build_flags=["-gcflags=all=-l"]), "build_flags is"),
    (entry(build_flags=["-trimpath"]), "build_flags is"),
    (entry(build_flags=["./other"]), "flags of go build except -o"),
    (entry(build_flags=["-ldflags=-s -w"]), "they strip the debug information"),
    (entry(build_flags=["-ldflags=-X main.v=1 '-w'"]), "they strip the debug information"),
    (entry(memory="lots"), "such as 2G"),
    (entry(memory="0"), "at least 64M"),
    (entry(memory="2"), "at least 64M"),
    (entry(tasks=3), "16 or more"),
    (entry(cpu_weight=20000), "1 to 10000"),
    (entry(listen="/run/dlv/api/s", launch_configuration=True), "VS Code supports no sockets"),
]


@pytest.mark.parametrize(("invalid", "message"), INVALID, ids=lambda value: str(value)[:40])
def test_an_invalid_entry_is_rejected(invalid: dict[str, t.Any], message: str) -> None:
    with pytest.raises(DevserverError, match=message) as error:
        parse_services([invalid], limits=LIMITS, state="started")
    assert error.value.remedy


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"listen": "127.0.0.1:2346"}, "api and api have the same name api"),
        ({"name": "web"}, "api and web have the same listen address 127.0.0.1:2345"),
        ({"name": "web", "listen": "localhost:2345"}, "api and web have the same listen address 127.0.0.1:2345"),
    ],
)
def test_conflicting_entries_are_rejected(second: dict[str, str], message: str) -> None:
    with pytest.raises(DevserverError, match=message):
        parse_services([entry(), entry(**second)], limits=LIMITS, state="started")


def test_two_addresses_may_have_the_same_port() -> None:
    entries = [entry(), entry(name="b", listen="127.0.0.2:2345"), entry(name="c", listen="[::1]:2345")]
    assert len(parse_services(entries, limits=LIMITS, state="started")) == 3


def test_messages_contain_no_environment_values() -> None:
    with pytest.raises(DevserverError) as error:
        service(environment={"PASSWORD": "se\ncret"})
    assert "PASSWORD" in str(error.value) and "cret" not in str(error.value)


def test_defaults_apply_to_missing_options() -> None:
    plain, explicit = service(), service(memory="512MB", tasks=64, cpu_weight=1, state="stopped")
    assert (plain.limits, plain.started, plain.package_dir) == (LIMITS, True, "/src/acme/cmd/api")
    assert (tuple(explicit.limits), explicit.started) == ((512 << 20, 64, 1), False)


@pytest.mark.parametrize(
    ("mode", "requested", "continues"), [("exec", True, True), ("exec", False, False), ("test", True, False)]
)
def test_tests_wait_for_a_client(mode: str, requested: bool, continues: bool) -> None:
    assert service(mode=mode, **{"continue": requested}).continues is continues
