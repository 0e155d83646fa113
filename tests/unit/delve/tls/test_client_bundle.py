# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients carry away: nothing of anybody else's, and a key that is their own."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.client_bundle import Server, deliver
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import doors_of

CLIENTS = ["alice-laptop", "ci"]
SERVICES = [
    {"name": "api", "user": "alice", "listen": "127.0.0.1:2345", "workspace": "/home/alice/service"}
    | {"tls": {"listen": "[::]:12345", "client_port": 2345}},
    {"name": "web", "user": "alice", "listen": "127.0.0.1:2346", "tls": {"listen": "[::]:12346", "clients": ["ci"]}},
]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "authority/clients").mkdir(parents=True)
    (tmp_path / "authority/ca.crt").write_text("the authority\n")
    (tmp_path / "authority/ca.key").write_text("the authority's key\n")
    for client in CLIENTS:
        (tmp_path / f"authority/clients/{client}.crt").write_text(f"certificate of {client}\n")
        (tmp_path / f"authority/clients/{client}.key").write_text(f"key of {client}\n")
    return tmp_path / "authority"


def give(source, host="dev1", address="dev1.example.org", revoked=(), services=None, check=False):
    doors = doors_of(SERVICES if services is None else services, CLIENTS, revoked)
    server = Server(host, address, doors, "TLSv1.2")
    folder = str(source.parent / "bundles")
    return deliver(server, CLIENTS, revoked, source=str(source), folder=folder, check=check)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_client_has_its_own_and_the_key_is_for_its_owner_alone(source, tmp_path):
    give(source)
    for client in CLIENTS:
        bundle = tmp_path / "bundles" / client
        assert names_in(bundle) == ["ca.crt", "client.crt", "client.key", "launch-dev1.json", "stunnel-dev1.conf"]
        assert (bundle / "client.key").read_text() == f"key of {client}\n"
        assert stat.S_IMODE((bundle / "client.key").stat().st_mode) == 0o600
        assert stat.S_IMODE(bundle.stat().st_mode) == 0o700


def test_a_second_run_changes_nothing_and_check_mode_tells_the_first(source, tmp_path):
    told = {entry["after_header"] for entry in give(source, check=True).result()["diff"]}
    assert not (tmp_path / "bundles").exists()
    give(source)
    assert told == {str(path) for path in (tmp_path / "bundles").glob("*/*")}
    assert not give(source)


def test_no_key_is_in_a_difference(source):
    assert "key of" not in str(give(source).result())
    (source / "clients/ci.key").write_text("other key of ci\n")
    renewed = str(give(source).result())
    assert "an earlier private key" in renewed and "key of" not in renewed
    gone = str(give(source, revoked=CLIENTS).result())
    assert "certificate of" in gone and "key of" not in gone


def test_a_key_that_others_may_read_is_closed_again(source, tmp_path):
    give(source)
    key = tmp_path / "bundles/ci/client.key"
    key.chmod(0o644)
    (entry,) = give(source).result()["diff"]
    assert entry["before_header"] == str(key) and "mode 0644" in entry["before"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not give(source)


def test_what_cannot_be_written_is_told_before_anything_is(source, tmp_path):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles/ci").write_text("somebody else's\n")
    with pytest.raises(DevserverError, match="bundles/ci is not a directory"):
        give(source)
    assert names_in(tmp_path / "bundles") == ["ci"]


def test_the_server_is_verified_by_the_name_it_is_reached_by(source, tmp_path):
    for address, line in {"dev1.example.org": "checkHost", "192.0.2.7": "checkIP", "2001:db8::7": "checkIP"}.items():
        give(source, address=address)
        lines = (tmp_path / "bundles/ci/stunnel-dev1.conf").read_text().split("\n")
        assert {f"{line} = {address}", "verifyChain = yes", f"connect = {address}:12345"} <= set(lines)


def test_a_client_is_told_of_those_doors_alone_that_let_it_in(source, tmp_path):
    give(source)
    assert "[web]" in (tmp_path / "bundles/ci/stunnel-dev1.conf").read_text()
    assert "[web]" not in (tmp_path / "bundles/alice-laptop/stunnel-dev1.conf").read_text()


def test_the_editor_attaches_to_the_local_port_and_maps_the_sources(source, tmp_path):
    give(source)
    (entry,) = json.loads((tmp_path / "bundles/alice-laptop/launch-dev1.json").read_text())["configurations"]
    assert (entry["host"], entry["port"], entry["debugAdapter"]) == ("127.0.0.1", 2345, "dlv-dap")
    assert entry["substitutePath"] == [{"from": "${workspaceFolder}", "to": "/home/alice/service"}]


def test_hosts_share_a_bundle_and_one_that_has_no_doors_leaves_it(source, tmp_path):
    give(source)
    give(source, host="dev2", address="dev2.example.org")
    give(source, services=[])
    left = names_in(tmp_path / "bundles/ci")
    assert left == ["ca.crt", "client.crt", "client.key", "launch-dev2.json", "stunnel-dev2.conf"]


def test_the_bundle_of_who_is_revoked_goes_but_for_what_is_somebody_elses(source, tmp_path):
    give(source)
    (tmp_path / "bundles/ci/notes").write_text("mine")
    give(source, revoked=["ci", "alice-laptop"])
    assert names_in(tmp_path / "bundles") == ["ci"]
    assert names_in(tmp_path / "bundles/ci") == ["notes"]


def test_a_certificate_that_was_not_made_is_told(source, tmp_path):
    (source / "clients/ci.crt").unlink()
    with pytest.raises(DevserverError, match=r"ci\.crt is missing"):
        give(source)
