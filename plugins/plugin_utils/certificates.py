# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides on the controller which certificates of the debug ports are due, without starting a process.

community.crypto creates them with one process for each file, but in most runs no file is due.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import typing as t

from ..module_utils._delve.tls.validity import parse_duration

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
except ImportError as error:
    # ansible's sanity tests import every plugin without its requirements.
    MISSING: ImportError | None = error
else:
    MISSING = None


def is_due(path: str, names: t.Sequence[str], authority: str, key_type: str, renew_before: str) -> bool:
    """Return whether the certificate at ``path``.crt must be created or renewed.

    ``names`` are the expected subject alternative names, such as ``DNS:one`` or ``IP:192.0.2.1``; ``authority`` is the
    path of the certificate of its issuer.
    """
    certificate, issuer = _read_certificate(path + ".crt"), _read_certificate(authority)
    if certificate is None or issuer is None or not os.path.exists(path + ".key"):
        return True
    return (
        _expiry(certificate, "not_valid_after") < _now() + parse_duration(renew_before)
        or not isinstance(certificate.public_key(), _key_class(key_type))
        or _read_names(certificate) != sorted(map(_normalize_name, names))
        or not _is_signed_by(certificate, issuer)
    )


def revocations_due(path: str, certificates: t.Sequence[str], authority: str, renew_before: str) -> bool:
    """Return whether the revocation list at ``path`` expires soon or lacks one of ``certificates``."""
    try:
        with open(path, "rb") as file:
            revocations = x509.load_pem_x509_crl(file.read())
    except (OSError, ValueError):
        return True
    issuer = _read_certificate(authority)
    if issuer is None or not revocations.is_signature_valid(t.cast(t.Any, issuer.public_key())):
        return True
    revoked = [certificate for certificate in map(_read_certificate, certificates) if certificate is not None]
    if any(revocations.get_revoked_certificate_by_serial_number(each.serial_number) is None for each in revoked):
        return True
    return _expiry(revocations, "next_update") < _now() + parse_duration(renew_before)


def _read_certificate(path: str) -> x509.Certificate | None:
    """Return None for a missing file and for an invalid one, which is due for renewal."""
    try:
        with open(path, "rb") as file:
            return x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return None


def _key_class(key_type: str) -> t.Any:
    classes = {"ECC": ec.EllipticCurvePublicKey, "Ed25519": ed25519.Ed25519PublicKey, "RSA": rsa.RSAPublicKey}
    return classes[key_type]


def _expiry(signed: t.Any, attribute: str) -> datetime.datetime:
    # cryptography 42 added the attributes with a time zone and deprecated the others.
    moment = getattr(signed, attribute + "_utc", None) or getattr(signed, attribute)
    return t.cast(datetime.datetime, moment.replace(tzinfo=datetime.timezone.utc))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _read_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = [f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)]
    return sorted(hosts + [f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)])


def _normalize_name(name: str) -> str:
    kind, _colon, value = name.partition(":")
    return f"IP:{ipaddress.ip_address(value)}" if kind == "IP" else name


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True
