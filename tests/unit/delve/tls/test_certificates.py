# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates and revocation lists of debug ports are due, with real certificates."""

from __future__ import annotations

import datetime
import ipaddress
import os
import pathlib
import re
import subprocess
import sys

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gopherops.devserver.plugins.filter.certificates import (
    FilterModule,
    certificates_due,
    revocations_due,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._core import errors
from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.validity import read_expiry
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """An authority in a directory, like that of the role."""

    def __init__(self, directory, days=100):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.sign("ca", self.key, [], days)

    def sign(self, name, key, names, days):
        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named("ca"))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + days * DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (self.directory / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate

    def issue(self, name, *names, days=100, key=None):
        return self.sign(name, key or ec.generate_private_key(ec.SECP256R1()), names or [x509.DNSName(name)], days)

    def revoke(self, *certificates, days=100):
        builder = x509.CertificateRevocationListBuilder().issuer_name(named("ca"))
        builder = builder.last_update(NOW - DAY).next_update(NOW + days * DAY)
        for certificate in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(NOW)
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(self.key, hashes.SHA256())
        (self.directory / "crl.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def due(directory, *names, key_type="ECC", before="+30d", alternative=None):
    return certificates_due(list(names), str(directory), str(directory / "ca.crt"), key_type, before, alternative)


def test_complete_certificates_are_not_due(authority, tmp_path):
    authority.issue("ci")
    assert due(tmp_path, "ci") == []
    assert due(tmp_path, "ca", alternative=[]) == []


@pytest.mark.parametrize("missing", ["ci.crt", "ci.key", "ca.crt"])
def test_missing_files_are_due(authority, tmp_path, missing):
    authority.issue("ci")
    (tmp_path / missing).unlink()
    assert due(tmp_path, "ci") == ["ci"]


@pytest.mark.parametrize(("days", "before", "expected"), [(31, "+30d", []), (29, "+30d", ["ci"]), (29, "4w", [])])
def test_certificates_that_expire_soon_are_due(authority, tmp_path, days, before, expected):
    authority.issue("ci", days=days)
    assert due(tmp_path, "ci", before=before) == expected


def test_expired_certificates_are_due(authority, tmp_path):
    authority.issue("ci", days=-0.5)
    assert due(tmp_path, "ci", before="+0s") == ["ci"]


def test_certificates_with_other_names_are_due(authority, tmp_path):
    addresses = [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ("192.0.2.1", "2001:db8::1")]
    authority.issue("host", x509.DNSName("host"), *addresses)
    names = ["IP:2001:db8:0::1", "DNS:host", "IP:192.0.2.1"]
    assert due(tmp_path, "host", alternative=names) == []
    assert due(tmp_path, "host", alternative=names[:2]) == ["host"]
    assert due(tmp_path, "host", alternative=[*names, "DNS:alias"]) == ["host"]


def test_certificates_with_another_key_type_are_due(authority, tmp_path):
    authority.issue("ci", key=ed25519.Ed25519PrivateKey.generate())
    assert due(tmp_path, "ci", key_type="Ed25519") == []
    assert due(tmp_path, "ci") == ["ci"]


def test_certificates_of_another_authority_with_the_same_name_are_due(authority, tmp_path):
    authority.issue("ci")
    Authority(tmp_path)
    assert due(tmp_path, "ci") == ["ci"]


def test_invalid_certificates_are_due(authority, tmp_path):
    authority.issue("ci")
    (tmp_path / "ci.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert due(tmp_path, "ci") == ["ci"]


@pytest.mark.parametrize(("before", "key_type"), [("30", "ECC"), ("", "ECC"), ("-1d", "ECC"), ("+30d", "DSA")])
def test_invalid_settings_are_rejected(authority, tmp_path, before, key_type):
    authority.issue("ci")
    with pytest.raises(AnsibleFilterError, match="cannot evaluate the certificates"):
        due(tmp_path, "ci", before=before, key_type=key_type)


def list_due(directory, *names):
    paths = [str(directory / f"{name}.crt") for name in names]
    return revocations_due(paths, str(directory / "crl.pem"), str(directory / "ca.crt"), "+30d")


def test_a_list_without_a_revoked_certificate_is_due(authority, tmp_path):
    ci, _other = authority.issue("ci"), authority.issue("other")
    assert list_due(tmp_path)
    authority.revoke(ci)
    assert not list_due(tmp_path)
    assert not list_due(tmp_path, "ci")
    assert list_due(tmp_path, "ci", "other")
    # The file of this client was removed after the revocation.
    assert not list_due(tmp_path, "ci", "gone")


def test_a_list_that_expires_soon_or_has_another_authority_is_due(authority, tmp_path):
    authority.revoke(days=29)
    assert list_due(tmp_path)
    authority.revoke()
    assert not list_due(tmp_path)
    Authority(tmp_path)
    assert list_due(tmp_path)


@pytest.mark.parametrize("days", [100, 20000])
def test_a_host_reads_the_expiry_without_libraries(authority, tmp_path, days):
    # From 2050 on the time has another format.
    certificate = authority.issue("ci", days=days)
    assert read_expiry(str(tmp_path / "ci.crt")) == certificate.not_valid_after_utc.timestamp()
    authority.revoke(certificate, authority.certificate, days=days)
    end = (NOW + days * DAY).replace(microsecond=0)
    assert read_expiry(str(tmp_path / "crl.pem")) == end.timestamp()


@pytest.mark.parametrize("text", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END", "ci.key"])
def test_invalid_files_have_no_expiry(authority, tmp_path, text):
    authority.issue("ci")
    (tmp_path / "x").write_bytes((tmp_path / text).read_bytes() if text == "ci.key" else text.encode())
    assert read_expiry(str(tmp_path / "x")) is read_expiry(str(tmp_path / "missing")) is None


def test_a_truncated_certificate_has_no_expiry(authority, tmp_path):
    authority.issue("ci")
    lines = (tmp_path / "ci.crt").read_text().splitlines()
    (tmp_path / "x").write_text("\n".join([*lines[:2], lines[-1]]))
    assert read_expiry(str(tmp_path / "x")) is None


lifetimes_problem = FilterModule().filters()["lifetimes_problem"]
ROLE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: gopherops.devserver.debugger
        tasks_from: tls.yml
      vars:
        debugger_result: {check_mode: true}
        debugger_tls_lifetime: 30d
"""


@pytest.mark.parametrize(
    ("lifetime", "before", "message"),
    [
        ("+397d", "+30d", ""),
        ("+1w2d", "8d", ""),
        ("+31d", "+4w2d", ""),
        ("30d", "+30d", "debugger_tls_lifetime: '30d' is not a relative length of time"),
        ("-30d", "+30d", "debugger_tls_lifetime: '-30d' is not a relative length of time"),
        ("+", "+30d", "'\\+' is not a relative length"),
        ("+2d1w", "+1d", "is not a relative length"),
        (397, "+30d", "debugger_tls_lifetime: 397 is not a relative length"),
        ("+10d", "+30d", r"each run would renew"),
        ("+30d", "+30d", r"each run would renew"),
        ("+397d", "soon", "devserver_tls_renew_before: 'soon' is not a length of time"),
        ("+9999999999999d", "+30d", "longer than a certificate supports"),
        ("+397d", "+9999999999999d", "devserver_tls_renew_before"),
    ],
)
def test_invalid_lifetimes_are_reported(lifetime, before, message):
    problem = lifetimes_problem(
        {"debugger_tls_authority_lifetime": "+3650d", "debugger_tls_lifetime": lifetime}, before
    )
    assert re.search(message, problem) if message else not problem


def test_the_role_validates_lifetimes_first(tmp_path):
    play = tmp_path / "play.yml"
    play.write_text(ROLE)
    env = dict(
        os.environ, ANSIBLE_COLLECTIONS_PATH=str(pathlib.Path(errors.__file__).parents[6]), ANSIBLE_HOME=str(tmp_path)
    )
    argv = [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local", str(play)]
    completed = subprocess.run(argv, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert "debugger_tls_lifetime: '30d' is not a relative length of time" in completed.stdout, (
        completed.stdout + completed.stderr
    )
    assert "Install stunnel" not in completed.stdout
