# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust store, with real certificates and a replacement for the distribution's merge command."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._host.ca_trust import converge
from ansible_collections.gopherops.devserver.plugins.module_utils._host.files import Changes
from ansible_collections.gopherops.devserver.plugins.module_utils._host.trust_store import (
    TrustStore,
    remove_certificates,
    trust_certificates,
)

STANDARD = {"exclusive": False, "state": "present"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ca")
    made = []
    for name in ("one", "two", "three"):
        request = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ]
        files = ["-subj", f"/CN={name}", "-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.pem"]
        subprocess.run(request + files, check=True, capture_output=True)
        made.append((directory / f"{name}.pem").read_text())
    return made


@pytest.fixture
def store(tmp_path, certificates):
    """A store that trusts the first certificate, with a merge like that of ca-certificates."""
    for name in ("anchors", "certs"):
        (tmp_path / name).mkdir()
    (tmp_path / "anchors/public.crt").write_text(certificates[0])
    merged = tmp_path / "merged.pem"
    script = (
        f"cd {tmp_path}/certs && rm -f ./* && for file in ../anchors/*.crt;"
        " do ln -s $file $(basename $file .crt).pem; done"
        f" && openssl rehash . && cat ../anchors/*.crt > {merged}"
    )
    subprocess.run(["sh", "-c", script], check=True)
    return TrustStore(str(tmp_path / "anchors"), ("sh", "-c", script), str(merged), str(tmp_path / "certs"))


def held(store):
    with open(store.merged, encoding="ascii") as file:
        return file.read()


def accepted(store, pem):
    """Whether OpenSSL trusts a certificate by the directory alone, as Python of Debian 11 does."""
    command = ["openssl", "verify", "-no-CAfile", "-CApath", store.by_name]
    return subprocess.run(command, input=pem, text=True, capture_output=True, check=False).returncode == 0


def test_openssl_finds_each_certificate_of_a_bundle_by_name(store, certificates):
    assert [accepted(store, pem) for pem in certificates] == [True, False, False]
    trust_certificates("".join(certificates), store=store, check=False)
    assert [accepted(store, pem) for pem in certificates] == [True, True, True]


def test_a_bundle_that_an_earlier_version_wrote_is_split(store, certificates, tmp_path):
    previous = tmp_path / "anchors/gopherops-devserver.crt"
    previous.write_text(certificates[1] + certificates[2])
    subprocess.run(store.merge, check=True)
    assert not accepted(store, certificates[1])
    assert trust_certificates(certificates[1], store=store, check=False)
    assert (accepted(store, certificates[1]), accepted(store, certificates[2])) == (True, True)
    assert not previous.exists()
    assert not trust_certificates(certificates[1], store=store, check=False)


def test_a_merge_without_names_is_an_error(store, certificates):
    silent = store._replace(merge=("sh", "-c", f"cat {store.anchors}/*.crt > {store.merged}"))
    with pytest.raises(DevserverError, match=r"sh did not add .* to .*merged\.pem and .*certs"):
        trust_certificates(certificates[1], store=silent, check=False)


def test_only_what_is_missing_is_added_and_once(store, certificates):
    one, two, _three = certificates
    assert trust_certificates("a comment\n" + one + two, store=store, check=False)
    assert held(store).count("BEGIN") == 2
    assert two.strip() in held(store)
    assert not trust_certificates(one + two, store=store, check=False)


def test_earlier_additions_stay(store, certificates):
    trust_certificates(certificates[1], store=store, check=False)
    trust_certificates(certificates[2], store=store, check=False)
    assert all(certificate.strip() in held(store) for certificate in certificates)


def test_check_mode_reports_the_change_and_writes_nothing(store, certificates, tmp_path):
    changes = trust_certificates(certificates[1], store=store, check=True)
    assert "SHA-256" in changes.result()["diff"][0]["after"]
    assert [path.name for path in (tmp_path / "anchors").iterdir()] == ["public.crt"]


def test_a_merge_that_was_interrupted_is_repaired(store, certificates):
    failing = store._replace(merge=("false",))
    with pytest.raises(DevserverError, match="false did not add"):
        trust_certificates(certificates[1], store=failing, check=False)
    assert trust_certificates(certificates[1], store=store, check=False)
    assert certificates[1].strip() in held(store)


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"])
def test_an_invalid_certificate_is_rejected(store, text):
    with pytest.raises(DevserverError, match=r"trust_ca_bundle \(pem\) contains .*certificate"):
        trust_certificates(text, store=store, check=False)


def test_an_empty_pem_changes_nothing():
    assert converge({**STANDARD, "pem": ""}, check=False).result == {"changed": False, "diff": []}


def test_only_certificates_of_earlier_runs_are_removed(store, certificates):
    one, two, three = certificates
    trust_certificates(two + three, store=store, check=False)
    planned, removed = Changes(), Changes()
    remove_certificates(three, planned, store=store, check=True)
    assert [accepted(store, pem) for pem in certificates] == [True, True, True]
    remove_certificates(three, removed, store=store, check=False)
    assert removed.result() == planned.result()
    assert [accepted(store, pem) for pem in (one, two, three)] == [True, False, True]
    remove_certificates("", removed, store=store, check=False)
    assert held(store) == one
    again = Changes()
    remove_certificates("", again, store=store, check=False)
    assert not again
