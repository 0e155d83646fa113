# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version a request means, and what it must be."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.manifest import PINS
from ansible_collections.gopherops.devserver.plugins.module_utils._toolchain.releases import (
    Pin,
    load_pins,
    parse_version,
    resolve,
    resolve_versions,
)

SHA = "ab" * 32
H1 = "h1:" + "A" * 43 + "="


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.21", (1, 21)), ("1.21.0", (1, 21, 0)), ("1.22.12", (1, 22, 12)), ("2.0.1", (2, 0, 1))],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("go1.22.12", "drop the prefix: 1.22.12"),
        ("1.23rc1", "release candidates"),
        ("1.23beta1", "betas"),
        ("1.20.14", "too old"),
        ("1.2", "quotes"),
        ("1", "not a Go version"),
        ("1.22.012", "not a Go version"),
        ("1.22.12 ", "not a Go version"),
        ("1.22.12\n", "not a Go version"),
        ("1.22.x", "not a Go version"),
        ("latest", "not a Go version"),
        ("../1.22", "not a Go version"),
        ("", "not a Go version"),
    ],
)
def test_an_invalid_version_is_rejected_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(DevserverError, match=re.escape(hint)):
        parse_version(text)


def test_a_minor_version_is_its_newest_patch_by_number_not_by_letter() -> None:
    known = {version: Pin(SHA) for version in ("1.22.2", "1.22.12", "1.22.9", "1.23.1")}
    assert resolve("1.22", known, "linux-amd64") == "1.22.12"


def test_a_minor_version_is_one_that_most_sources_can_deliver() -> None:
    known = {"1.22.12": Pin(SHA), "1.22.13": Pin(h1="h1:x"), "1.23.1": Pin(h1="h1:x")}
    assert [resolve(text, known, "linux-amd64") for text in ("1.22", "1.22.13", "1.23")] == [
        "1.22.12",
        "1.22.13",
        "1.23.1",
    ]


def test_a_patch_is_never_taken_for_a_longer_one() -> None:
    known = {version: Pin(SHA) for version in ("1.22.12", "1.22.10")}
    with pytest.raises(DevserverError, match=r"no checksum is known for Go 1\.22\.1 on linux-amd64"):
        resolve("1.22.1", known, "linux-amd64")


def test_an_unknown_version_is_rejected_with_the_entry_to_add() -> None:
    with pytest.raises(
        DevserverError, match=r"1\.22\.12.*\"1\.98\.0\": .\"linux-amd64\".*devserver_toolchain_checksums"
    ):
        resolve("1.98.0", {"1.22.12": Pin(SHA)}, "linux-amd64")


def test_a_platform_without_pins_has_no_versions() -> None:
    assert load_pins("linux-sparc", {}) == {}


@pytest.mark.parametrize("platform", sorted(PINS))
def test_the_manifest_is_well_formed_and_in_order(platform: str) -> None:
    known = load_pins(platform, {})
    assert list(known) == sorted(known, key=parse_version)
    assert len(known) == PINS[platform].count("\n") - 1
    for pin in known.values():
        assert pin.sha256 or pin.h1
        assert pin.sha256 is None or re.fullmatch("[0-9a-f]{64}", pin.sha256)
        assert pin.h1 is None or re.fullmatch("h1:[A-Za-z0-9+/]{43}=", pin.h1)


def test_no_two_releases_share_a_digest() -> None:
    pins = [pin for platform in PINS for pin in load_pins(platform, {}).values()]
    for digests in ([pin.sha256 for pin in pins if pin.sha256], [pin.h1 for pin in pins if pin.h1]):
        assert len(set(digests)) == len(digests)


def test_a_users_checksum_only_overrides_its_own_kind() -> None:
    before = load_pins("linux-amd64", {})["1.22.12"]
    after = load_pins("linux-amd64", {"1.22.12": {"linux-amd64": SHA.upper()}})["1.22.12"]
    assert after == Pin(SHA, before.h1)
    assert before.h1


def test_checksums_add_versions_for_their_platform() -> None:
    checksums = {"1.98.0": {"linux-arm64": H1, "linux-amd64": f"sha256:{SHA}"}}
    assert load_pins("linux-amd64", checksums)["1.98.0"] == Pin(SHA, None)
    assert load_pins("linux-arm64", checksums)["1.98.0"] == Pin(None, H1)
    assert "1.98.0" not in load_pins("linux-386", checksums)


@pytest.mark.parametrize(
    "checksums",
    [
        {"1.98": {"linux-amd64": SHA}},
        {"go1.98.0": {"linux-amd64": SHA}},
        {"1.98.0": SHA},
        {"1.98.0": {"linux-amd64": SHA[:-1]}},
        {"1.98.0": {"linux-amd64": H1[:-1]}},
        {"1.98.0": {"linux-amd64": None}},
        # A slip for another platform shows on every host.
        {"1.98.0": {"linux-arm64": "sha512:" + SHA}},
    ],
)
def test_checksums_of_another_shape_are_rejected(checksums: dict[str, t.Any]) -> None:
    with pytest.raises(DevserverError, match=r"1\.98"):
        load_pins("linux-amd64", checksums)


@pytest.mark.parametrize(
    ("versions", "default", "variable"),
    [(["go1.22"], None, "devserver_go_versions"), (["1.22.12"], "1.x", "devserver_go_default")],
)
def test_a_wrong_version_is_named_with_its_variable(versions: list[str], default: str | None, variable: str) -> None:
    known = load_pins("linux-amd64", {})
    with pytest.raises(DevserverError, match=rf"is not a Go version, in {variable}"):
        resolve_versions(versions, default, known, "linux-amd64")


def test_an_unknown_platform_of_a_checksum_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(DevserverError, match=r"'linux_amd64'.*correct it to linux-amd64"):
        load_pins("linux-arm64", {"1.22.12": {"linux_amd64": SHA}})
