# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files and units of the TLS server, and the commands to a fake systemd."""

from __future__ import annotations

import os
import pathlib
import pwd
import stat

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import parse_endpoints
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.install import (
    HostPaths,
    apply_tls_server,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.server import TlsMaterial
from ansible_collections.gopherops.devserver.plugins.module_utils._systemd import back_off, systemctl

from tests.support.systemd import FakeSystemd

ME = pwd.getpwuid(os.geteuid()).pw_name
MATERIAL = TlsMaterial("the authority", "the certificate", "the key", "the revocations")


@pytest.fixture
def systemd(monkeypatch, tmp_path):
    fake = FakeSystemd()
    monkeypatch.setattr(back_off, "DIRECTORY", str(tmp_path / "failures"))
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def paths(tmp_path, systemd):
    return HostPaths(
        str(tmp_path / "tls"),
        str(tmp_path / "units"),
        ME,
        "/bin/true",
        True,
        str(tmp_path.parent / f"{tmp_path.name}.pending"),
    )


def endpoints(*names, clients=("ci", "alice-laptop"), revoked=()):
    entries = [
        {
            "name": name,
            "user": ME,
            "listen": f"127.0.0.1:{2345 + number}",
            "tls": {"listen": f"[::]:{12345 + number}"},
        }
        for number, name in enumerate(names)
    ]
    return parse_endpoints(entries, list(clients), list(revoked))


def apply(paths, *names, material=MATERIAL, check=False, removed=None, **declaration):
    is_removed = (lambda _name: True) if removed is None else removed.__contains__
    return apply_tls_server(endpoints(*names, **declaration), material, "TLSv1.2", paths, is_removed, check=check)


def files_below(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def test_a_user_name_that_systemd_reads_as_an_id_is_rejected(paths, tmp_path):
    numeric = [endpoint._replace(user="1001") for endpoint in endpoints("api")]
    with pytest.raises(DevserverError, match="'1001' is a number: systemd would start"):
        apply_tls_server(numeric, MATERIAL, "TLSv1.2", paths, lambda _name: True, check=False)
    assert files_below(tmp_path) == []


def test_check_mode_predicts_the_run_and_writes_nothing(paths, tmp_path, systemd):
    predicted = {entry["after_header"] for entry in apply(paths, "api", check=True).result()["diff"]}
    assert (files_below(tmp_path), systemd.commands) == ([], [])
    apply(paths, "api")
    assert {str(tmp_path / path) for path in files_below(tmp_path)} == {
        header for header in predicted if header.startswith("/")
    }
    assert predicted - {str(tmp_path / path) for path in files_below(tmp_path)} == {
        "state of debug-tls.service",
        "state of debug-tls-api.socket",
    }


def test_a_second_run_changes_nothing(paths, systemd):
    apply(paths, "api", "web")
    systemd.commands.clear()
    assert not apply(paths, "api", "web")
    assert systemd.commands == []


NOTHING = TlsMaterial("", "", "", "")


def test_endpoints_of_services_that_are_not_listed_stay(paths, tmp_path, systemd):
    apply(paths, "api", "web", "db-1")
    before = {path: (tmp_path / path).read_text() for path in files_below(tmp_path)}
    systemd.commands.clear()
    assert not apply(paths, material=NOTHING, removed=())
    for names in (["api"], ["api", "web"]):
        apply(paths, *names, removed=())
        assert files_below(tmp_path) == sorted(before)
        # In the same order: a changed file restarts the server, which ends all connections.
        assert (tmp_path / "tls/stunnel.conf").read_text() == before["tls/stunnel.conf"]
        assert not apply(paths, *names, removed=())
    apply(paths, material=NOTHING, removed=["web"])
    assert set(before) - set(files_below(tmp_path)) == {"units/debug-tls-web.service", "units/debug-tls-web.socket"}
    assert "[web]" not in (tmp_path / "tls/stunnel.conf").read_text()
    assert (tmp_path / "tls/server.key").read_text() == before["tls/server.key"]
    assert ("restart", "debug-tls.service") in systemd.commands
    assert not apply(paths, material=NOTHING, removed=["web"])
    apply(paths, material=NOTHING, removed=["api", "db-1"])
    assert files_below(tmp_path) == []


def test_only_the_server_reads_the_key_and_differences_do_not_contain_it(paths, tmp_path):
    changes = [apply(paths, "api"), apply(paths, "api", material=MATERIAL._replace(key="another key"))]
    assert stat.S_IMODE((tmp_path / "tls/server.key").stat().st_mode) == 0o600
    assert all(changes)
    assert "the key" not in str([change.result() for change in changes])
    assert "another key" not in str([change.result() for change in changes])


def test_the_mode_of_a_readable_key_is_repaired(paths, tmp_path):
    apply(paths, "api")
    (tmp_path / "tls/server.key").chmod(0o644)
    (entry,) = apply(paths, "api").result()["diff"]
    assert ("mode 0644" in entry["before"], "mode 0600" in entry["after"]) == (True, True)
    assert entry["before"].splitlines()[1:] == entry["after"].splitlines()[1:] == ["a private key"]
    assert stat.S_IMODE((tmp_path / "tls/server.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("renewed", "declaration", "commands"),
    [
        ({"certificate": "new"}, {}, [("reload", "debug-tls.service")]),
        ({"certificate": "new", "key": "new", "authority": "new"}, {}, [("reload", "debug-tls.service")]),
        ({"revocations": "new"}, {}, [("restart", "debug-tls.service")]),
        ({}, {"clients": ["ci"]}, [("restart", "debug-tls.service")]),
        ({"revocations": "new"}, {"revoked": ["ci"]}, [("restart", "debug-tls.service")]),
    ],
)
def test_new_certificates_reload_and_revocations_restart_the_server(paths, systemd, renewed, declaration, commands):
    apply(paths, "api")
    systemd.commands.clear()
    apply(paths, "api", material=MATERIAL._replace(**renewed), **declaration)
    assert systemd.commands == commands


def test_a_stopped_server_is_started(paths, systemd):
    apply(paths, "api")
    systemd.run("stop", "debug-tls.service")
    systemd.commands.clear()
    assert apply(paths, "api")
    assert systemd.commands == [("enable", "debug-tls.service")]


def test_an_undeclared_endpoint_is_removed(paths, tmp_path, systemd):
    apply(paths, "api", "web")
    systemd.commands.clear()
    apply(paths, "api")
    assert not [path for path in files_below(tmp_path) if "web" in path]
    assert systemd.commands[0] == ("disable", "debug-tls-web.service", "debug-tls-web.socket")


def test_without_endpoints_everything_is_removed(paths, tmp_path, systemd):
    apply(paths, "api")
    diff = apply(paths).result()["diff"]
    assert "the key" not in str(diff) and "the certificate" in str(diff)
    assert (files_below(tmp_path), systemd.active) == ([], set())
    assert not apply(paths)


def test_the_revocation_of_the_last_client_removes_the_server(paths, tmp_path):
    apply(paths, "api", clients=["ci"])
    apply(paths, "api", clients=["ci"], revoked=["ci"])
    assert files_below(tmp_path) == []


def test_every_section_verifies_certificate_revocation_and_name(paths, tmp_path):
    apply(paths, "api", "web")
    _head, *sections = (tmp_path / "tls/stunnel.conf").read_text().split("\n[")
    assert len(sections) == 2
    for section in sections:
        lines = section.split("\n")
        assert {"verifyChain = yes", "requireCert = yes", f"CRLfile = {tmp_path}/tls/crl.pem"} <= set(lines)
        assert [line for line in lines if line.startswith("checkHost")] == [
            "checkHost = ci",
            "checkHost = alice-laptop",
        ]


def test_missing_certificates_are_reported_before_any_write(paths, tmp_path):
    with pytest.raises(DevserverError, match="has no authority, key"):
        apply(paths, "api", material=MATERIAL._replace(authority="", key=" "))
    assert files_below(tmp_path) == []


def test_a_missing_stunnel_is_a_change_in_check_mode_and_an_error_otherwise(paths, tmp_path):
    without_stunnel = paths._replace(stunnel="/nowhere/stunnel")
    assert "/nowhere/stunnel" in [
        entry["after_header"] for entry in apply(without_stunnel, "api", check=True).result()["diff"]
    ]
    with pytest.raises(DevserverError, match="/nowhere/stunnel is missing") as caught:
        apply(without_stunnel, "api")
    assert caught.value.details["missing_program"] == "/nowhere/stunnel"
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("renewed", "command"),
    [
        ({"revocations": "new"}, ("restart", "debug-tls.service")),
        ({"certificate": "new"}, ("reload", "debug-tls.service")),
    ],
)
def test_the_run_after_a_killed_one_loads_its_changes(paths, systemd, monkeypatch, renewed, command):
    def killed(verb, *words):
        if verb == command[0]:
            raise KeyboardInterrupt
        systemd.run(verb, *words)

    apply(paths, "api")
    material = MATERIAL._replace(**renewed)
    for _run in range(2):
        with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patched:
            patched.setattr(systemctl, "run_verb", killed)
            apply(paths, "api", material=material)
    systemd.commands.clear()
    assert apply(paths, "api", material=material, check=True) and systemd.commands == []
    assert apply(paths, "api", material=material)
    assert systemd.commands == [command]
    assert not apply(paths, "api", material=material)


def test_the_server_may_record_its_failures_until_it_is_removed(paths, systemd):
    apply(paths, "api")
    recorded = pathlib.Path(back_off.directory_of("debug-tls.service"))
    assert (recorded.stat().st_uid, stat.S_IMODE(recorded.stat().st_mode)) == (os.geteuid(), 0o700)
    apply(paths)
    assert not recorded.parent.exists()
