# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundles of clients: each contains only the files and the key of its client."""

from __future__ import annotations

import json
import re
import stat

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.client_bundle import (
    DebugHost,
    remove_host,
    write_bundles,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.endpoints import parse_endpoints

CLIENTS = ["alice-laptop", "ci"]
SERVICES = (
    {"name": "api", "user": "alice", "listen": "127.0.0.1:2345", "workspace": "/home/alice/service"}
    | {"tls": {"listen": "[::]:12345", "client_port": 2345}},
    {"name": "web", "user": "alice", "listen": "127.0.0.1:2346", "tls": {"listen": "[::]:12346", "clients": ["ci"]}},
)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "authority/clients").mkdir(parents=True)
    (tmp_path / "authority/ca.crt").write_text("the authority\n")
    (tmp_path / "authority/ca.key").write_text("the authority's key\n")
    for client in CLIENTS:
        (tmp_path / f"authority/clients/{client}.crt").write_text(f"certificate of {client}\n")
        (tmp_path / f"authority/clients/{client}.key").write_text(f"key of {client}\n")
    return tmp_path / "authority"


def write(source, host="dev1", revoked=(), services=SERVICES, **own):
    clients, exclusive = own.get("clients", CLIENTS), own.get("exclusive", False)
    endpoints = parse_endpoints(services, clients, revoked)
    listed = {service["name"] for service in services}
    address = own.get("address", "dev1.example.org")
    debug_host = DebugHost(host, address, endpoints, "TLSv1.2", lambda name: exclusive or name in listed)
    directory = str(source.parent / "bundles")
    return write_bundles(
        debug_host, clients, revoked, source=str(source), directory=directory, check=own.get("check", False)
    )


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_each_client_has_a_bundle_with_a_private_key_for_its_owner(source, tmp_path):
    write(source)
    for client in CLIENTS:
        bundle = tmp_path / "bundles" / client
        assert names_in(bundle) == ["ca.crt", "client.crt", "client.key", "launch-dev1.json", "stunnel-dev1.conf"]
        assert (bundle / "client.key").read_text() == f"key of {client}\n"
        assert stat.S_IMODE((bundle / "client.key").stat().st_mode) == 0o600
        assert stat.S_IMODE(bundle.stat().st_mode) == 0o700


def test_check_mode_predicts_the_run_and_a_second_run_changes_nothing(source, tmp_path):
    predicted = {entry["after_header"] for entry in write(source, check=True).result()["diff"]}
    assert not (tmp_path / "bundles").exists()
    write(source)
    assert predicted == {str(path) for path in (tmp_path / "bundles").glob("*/*")}
    assert not write(source)


def test_differences_contain_no_keys(source):
    assert "key of" not in str(write(source).result())
    (source / "clients/ci.key").write_text("other key of ci\n")
    renewed = str(write(source).result())
    assert "a previous private key" in renewed and "key of" not in renewed
    removed = str(write(source, revoked=CLIENTS).result())
    assert "certificate of" in removed and "key of" not in removed


def test_the_mode_of_a_readable_key_is_repaired(source, tmp_path):
    write(source)
    key = tmp_path / "bundles/ci/client.key"
    key.chmod(0o644)
    (entry,) = write(source).result()["diff"]
    assert entry["before_header"] == str(key) and "mode 0644" in entry["before"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not write(source)


def test_a_file_in_place_of_a_directory_is_reported_before_any_write(source, tmp_path):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles/ci").write_text("another file\n")
    with pytest.raises(DevserverError, match="bundles/ci is not a directory"):
        write(source)
    assert names_in(tmp_path / "bundles") == ["ci"]


def test_the_tunnel_verifies_the_name_or_address_of_the_host(source, tmp_path):
    for address, line in {"dev1.example.org": "checkHost", "192.0.2.7": "checkIP", "2001:db8::7": "checkIP"}.items():
        write(source, address=address)
        lines = (tmp_path / "bundles/ci/stunnel-dev1.conf").read_text().split("\n")
        assert {f"{line} = {address}", "verifyChain = yes", f"connect = {address}:12345"} <= set(lines)


def test_a_bundle_contains_only_endpoints_that_admit_the_client(source, tmp_path):
    write(source)
    assert "[web]" in (tmp_path / "bundles/ci/stunnel-dev1.conf").read_text()
    assert "[web]" not in (tmp_path / "bundles/alice-laptop/stunnel-dev1.conf").read_text()


def test_the_editor_attaches_to_the_local_port_and_maps_the_sources(source, tmp_path):
    write(source)
    (entry,) = json.loads((tmp_path / "bundles/alice-laptop/launch-dev1.json").read_text())["configurations"]
    assert (entry["host"], entry["port"], entry["debugAdapter"]) == ("127.0.0.1", 2345, "dlv-dap")
    assert entry["substitutePath"] == [{"from": "${workspaceFolder}", "to": "/home/alice/service"}]


def test_hosts_share_a_bundle_and_remove_only_their_own_files(source, tmp_path):
    write(source)
    write(source, host="dev2", address="dev2.example.org")
    write(source, services=[], exclusive=True)
    names = names_in(tmp_path / "bundles/ci")
    assert names == ["ca.crt", "client.crt", "client.key", "launch-dev2.json", "stunnel-dev2.conf"]


def services_in(bundle, host="dev1"):
    """Return the services in each of the two files about a host."""
    stunnel, launch = bundle / f"stunnel-{host}.conf", bundle / f"launch-{host}.json"
    entries = json.loads(launch.read_text())["configurations"] if launch.exists() else []
    sections = re.findall(r"^\[(.*)\]$", stunnel.read_text(), re.MULTILINE) if stunnel.exists() else []
    return sections, [entry["name"].partition(" on ")[0] for entry in entries]


def test_services_of_other_plays_stay_in_the_bundles(source, tmp_path):
    api, web = SERVICES
    write(source, services=[web])
    before = (tmp_path / "bundles/ci/stunnel-dev1.conf").read_text()
    write(source, services=[api])
    bundle = tmp_path / "bundles/ci"
    assert services_in(bundle) == (["api", "web"], ["api", "web"])
    assert before[before.index("[web]") :] in (bundle / "stunnel-dev1.conf").read_text()
    assert services_in(tmp_path / "bundles/alice-laptop") == (["api"], ["api"])
    assert not write(source, services=[web])
    assert not write(source)
    write(source, services=[api], exclusive=True)
    assert services_in(bundle) == (["api"], ["api"])


def test_removed_services_leave_the_bundles_of_all_clients(source, tmp_path):
    api, web = SERVICES
    write(source)
    write(source, services=[{**web, "state": "absent"}], clients=["alice-laptop"])
    assert services_in(tmp_path / "bundles/ci") == (["api"], ["api"])
    write(source, services=[{**api, "tls": None}], clients=[])
    for client in CLIENTS:
        assert names_in(tmp_path / "bundles" / client) == ["ca.crt", "client.crt", "client.key"]


def test_a_client_that_is_no_longer_listed_loses_the_listed_services_only(source, tmp_path):
    write(source)
    write(source, services=SERVICES[:1], clients=["alice-laptop"])
    assert services_in(tmp_path / "bundles/ci") == (["web"], ["web"])


@pytest.mark.parametrize("broken", ["{", "[]", "null", '{"configurations": [{}]}', '{"configurations": [{"name": 1}]}'])
def test_a_broken_launch_file_is_written_again(source, tmp_path, broken):
    path = tmp_path / "bundles/ci/launch-dev1.json"
    write(source)
    before = path.read_text()
    path.write_text(broken)
    write(source)
    assert path.read_text() == before


def test_the_bundle_of_a_revoked_client_is_removed_except_other_files(source, tmp_path):
    write(source)
    (tmp_path / "bundles/ci/notes").write_text("mine")
    write(source, revoked=["ci", "alice-laptop"])
    assert names_in(tmp_path / "bundles") == ["ci"]
    assert names_in(tmp_path / "bundles/ci") == ["notes"]


def test_a_missing_certificate_is_reported(source, tmp_path):
    (source / "clients/ci.crt").unlink()
    with pytest.raises(DevserverError, match=r"ci\.crt is missing"):
        write(source)


def test_a_removed_host_leaves_the_bundles_and_the_authority_stays(source, tmp_path):
    write(source)
    before = {client: names_in(tmp_path / "bundles" / client) for client in CLIENTS}
    write(source, host="dev10")
    (source / "servers").mkdir()
    for name in ("dev10.key", "dev10.crt", "dev10.crt.2026", "dev1.key"):
        (source / "servers" / name).touch()
    options = {"source": str(source), "directory": str(tmp_path / "bundles")}
    planned = remove_host("dev10", **options, check=True).result()
    assert remove_host("dev10", **options, check=False).result() == planned
    assert {client: names_in(tmp_path / "bundles" / client) for client in CLIENTS} == before
    assert names_in(source / "servers") == ["dev1.key"]
    assert (source / "ca.key").exists()
    assert not remove_host("dev10", **options, check=False)
