# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS server's files and units, and what is told to a manager that only takes notes."""

from __future__ import annotations

import os
import pwd
import stat

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import doors_of
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.install import Places, install
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import Material
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import systemctl

ME = pwd.getpwuid(os.geteuid()).pw_name
MATERIAL = Material("the authority", "the certificate", "the key", "the revocations")


class Manager:
    """Knows which units were enabled, and keeps what else it is told."""

    def __init__(self):
        self.running = set()
        self.told = []

    def properties(self, units, names):
        assert set(names) == {"ActiveState", "UnitFileState"}
        lives = {"ActiveState": "active", "UnitFileState": "enabled"}
        return {unit: lives if unit in self.running else dict.fromkeys(names, "") for unit in units}

    def tell(self, verb, *words):
        units = [word for word in words if not word.startswith("--")]
        if verb == "enable":
            self.running.update(units)
        if verb == "disable":
            self.running.difference_update(units)
        self.told.append((verb, *units))


@pytest.fixture
def manager(monkeypatch):
    made = Manager()
    monkeypatch.setattr(systemctl, "properties_of", made.properties)
    monkeypatch.setattr(systemctl, "tell", made.tell)
    return made


@pytest.fixture
def places(tmp_path, manager):
    return Places(
        str(tmp_path / "tls"),
        str(tmp_path / "units"),
        ME,
        "/bin/true",
        True,
        str(tmp_path.parent / f"{tmp_path.name}.pending"),
    )


def doors(*names, clients=("ci", "alice-laptop"), revoked=()):
    entries = [
        {
            "name": name,
            "user": ME,
            "listen": f"127.0.0.1:{2345 + number}",
            "tls": {"listen": f"[::]:{12345 + number}"},
        }
        for number, name in enumerate(names)
    ]
    return doors_of(entries, list(clients), list(revoked))


def put(places, *names, material=MATERIAL, check=False, **who):
    return install(doors(*names, **who), material, "TLSv1.2", places, check=check)


def left(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def test_check_mode_says_what_is_written_then_and_writes_nothing(places, tmp_path, manager):
    told = {entry["after_header"] for entry in put(places, "api", check=True).result()["diff"]}
    assert (left(tmp_path), manager.told) == ([], [])
    put(places, "api")
    assert {str(tmp_path / path) for path in left(tmp_path)} == {header for header in told if header.startswith("/")}
    assert told - {str(tmp_path / path) for path in left(tmp_path)} == {
        "state of debug-tls.service",
        "state of debug-tls-api.socket",
    }


def test_a_second_run_changes_nothing(places, manager):
    put(places, "api", "web")
    manager.told.clear()
    assert not put(places, "api", "web")
    assert manager.told == []


def test_the_key_is_for_the_server_alone_and_in_no_difference(places, tmp_path):
    changes = [put(places, "api"), put(places, "api", material=MATERIAL._replace(key="another key"))]
    assert stat.S_IMODE((tmp_path / "tls/server.key").stat().st_mode) == 0o600
    assert all(changes)
    assert "the key" not in str([change.result() for change in changes])
    assert "another key" not in str([change.result() for change in changes])


def test_a_key_that_others_may_read_is_closed_again(places, tmp_path):
    put(places, "api")
    (tmp_path / "tls/server.key").chmod(0o644)
    (entry,) = put(places, "api").result()["diff"]
    assert ("mode 0644" in entry["before"], "mode 0600" in entry["after"]) == (True, True)
    assert entry["before"].splitlines()[1:] == entry["after"].splitlines()[1:] == ["a private key"]
    assert stat.S_IMODE((tmp_path / "tls/server.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("renewed", "who", "told"),
    [
        ({"certificate": "new"}, {}, [("reload", "debug-tls.service")]),
        ({"certificate": "new", "key": "new", "authority": "new"}, {}, [("reload", "debug-tls.service")]),
        ({"revocations": "new"}, {}, [("restart", "debug-tls.service")]),
        ({}, {"clients": ["ci"]}, [("restart", "debug-tls.service")]),
        ({"revocations": "new"}, {"revoked": ["ci"]}, [("restart", "debug-tls.service")]),
    ],
)
def test_news_are_read_again_and_who_may_not_come_in_any_more_is_out_at_once(places, manager, renewed, who, told):
    put(places, "api")
    manager.told.clear()
    put(places, "api", material=MATERIAL._replace(**renewed), **who)
    assert manager.told == told


def test_what_was_stopped_by_somebody_is_started(places, manager):
    put(places, "api")
    manager.running.remove("debug-tls.service")
    manager.told.clear()
    assert put(places, "api")
    assert manager.told == [("enable", "debug-tls.service")]


def test_a_door_that_is_declared_no_more_is_taken_away(places, tmp_path, manager):
    put(places, "api", "web")
    manager.told.clear()
    put(places, "api")
    assert not [path for path in left(tmp_path) if "web" in path]
    assert manager.told[0] == ("disable", "debug-tls-web.service", "debug-tls-web.socket")


def test_without_doors_nothing_is_left(places, tmp_path, manager):
    put(places, "api")
    gone = put(places).result()["diff"]
    assert "the key" not in str(gone) and "the certificate" in str(gone)
    assert (left(tmp_path), manager.running) == ([], set())
    assert not put(places)


def test_the_last_client_revoked_shuts_the_door(places, tmp_path):
    put(places, "api", clients=["ci"])
    put(places, "api", clients=["ci"], revoked=["ci"])
    assert left(tmp_path) == []


def test_every_door_asks_for_a_certificate_that_is_not_revoked_and_a_name(places, tmp_path):
    put(places, "api", "web")
    _head, *sections = (tmp_path / "tls/stunnel.conf").read_text().split("\n[")
    assert len(sections) == 2
    for section in sections:
        lines = section.split("\n")
        assert {"verifyChain = yes", "requireCert = yes", f"CRLfile = {tmp_path}/tls/crl.pem"} <= set(lines)
        assert [line for line in lines if line.startswith("checkHost")] == [
            "checkHost = ci",
            "checkHost = alice-laptop",
        ]


def test_certificates_are_wanted_before_anything_is_written(places, tmp_path):
    with pytest.raises(DevserverError, match="lacks its authority, key"):
        put(places, "api", material=MATERIAL._replace(authority="", key=" "))
    assert left(tmp_path) == []


def test_a_host_without_stunnel_is_told_in_check_mode_and_refused_else(places, tmp_path):
    bare = places._replace(stunnel="/nowhere/stunnel")
    assert "/nowhere/stunnel" in [entry["after_header"] for entry in put(bare, "api", check=True).result()["diff"]]
    with pytest.raises(DevserverError, match="/nowhere/stunnel is missing"):
        put(bare, "api")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("renewed", "told"),
    [
        ({"revocations": "new"}, ("restart", "debug-tls.service")),
        ({"certificate": "new"}, ("reload", "debug-tls.service")),
    ],
)
def test_what_a_killed_run_has_written_is_read_after_the_next(places, manager, monkeypatch, renewed, told):
    def killed(verb, *words):
        if verb == told[0]:
            raise KeyboardInterrupt
        manager.tell(verb, *words)

    put(places, "api")
    material = MATERIAL._replace(**renewed)
    for _run in range(2):
        with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patched:
            patched.setattr(systemctl, "tell", killed)
            put(places, "api", material=material)
    manager.told.clear()
    assert put(places, "api", material=material, check=True) and manager.told == []
    assert put(places, "api", material=material)
    assert manager.told == [told]
    assert not put(places, "api", material=material)
