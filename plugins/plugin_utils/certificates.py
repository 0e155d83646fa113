# Copyright (c) 2026, the gopherops.devserver authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates of debug ports are due, judged on the controller without starting a process.

Making them is the work of community.crypto, a process for each file; nearly always there is nothing to make.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import typing as t

from ansible_collections.gopherops.devserver.plugins.module_utils._delve.tls.validity import span

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
except ImportError as error:
    # ansible's own checks import every plugin without what it needs.
    MISSING: ImportError | None = error
else:
    MISSING = None


def is_due(path: str, names: t.Sequence[str], authority: str, key_type: str, renew_before: str) -> bool:
    """Return whether the certificate at ``path``.crt has to be made: anew, again or for the first time.

    ``names`` are its subject alternative names, as ``DNS:one`` or ``IP:192.0.2.1``; ``authority`` is the path of the
    certificate that has to have signed it.
    """
    certificate, issuer = _certificate(path + ".crt"), _certificate(authority)
    if certificate is None or issuer is None or not os.path.exists(path + ".key"):
        return True
    return (
        _ends(certificate, "not_valid_after") < _now() + span(renew_before)
        or not isinstance(certificate.public_key(), _key_class(key_type))
        or _names(certificate) != sorted(map(_normal, names))
        or not _signed_by(certificate, issuer)
    )


def revocations_due(path: str, certificates: t.Sequence[str], authority: str, renew_before: str) -> bool:
    """Return whether the revocation list at ``path`` has to be made: it ages, or misses some of ``certificates``."""
    try:
        with open(path, "rb") as file:
            revocations = x509.load_pem_x509_crl(file.read())
    except (OSError, ValueError):
        return True
    issuer = _certificate(authority)
    if issuer is None or not revocations.is_signature_valid(t.cast(t.Any, issuer.public_key())):
        return True
    held = [found for found in map(_certificate, certificates) if found is not None]
    if any(revocations.get_revoked_certificate_by_serial_number(one.serial_number) is None for one in held):
        return True
    return _ends(revocations, "next_update") < _now() + span(renew_before)


def _certificate(path: str) -> x509.Certificate | None:
    """Return None also for what is no certificate: it is made again."""
    try:
        with open(path, "rb") as file:
            return x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return None


def _key_class(key_type: str) -> t.Any:
    classes = {"ECC": ec.EllipticCurvePublicKey, "Ed25519": ed25519.Ed25519PublicKey, "RSA": rsa.RSAPublicKey}
    return classes[key_type]


def _ends(what: t.Any, attribute: str) -> datetime.datetime:
    # The attributes with a time zone are of cryptography 42 and later, those without are to go.
    moment = getattr(what, attribute + "_utc", None) or getattr(what, attribute)
    return t.cast(datetime.datetime, moment.replace(tzinfo=datetime.timezone.utc))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = [f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)]
    return sorted(hosts + [f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)])


def _normal(name: str) -> str:
    kind, _colon, value = name.partition(":")
    return f"IP:{ipaddress.ip_address(value)}" if kind == "IP" else name


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True
