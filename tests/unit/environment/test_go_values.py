# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether values that break every go command are rejected before anything is written, by format and by the real Go."""

from __future__ import annotations

import getpass
import os
import pathlib
import shutil

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gopherops.devserver.plugins.module_utils._core.errors import DevserverError
from ansible_collections.gopherops.devserver.plugins.module_utils._environment import go_env
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.declaration import (
    Declaration,
    UserEnvironment,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.go_values import (
    missing_toolchain,
    validate_format,
    validate_with_go,
)
from ansible_collections.gopherops.devserver.plugins.module_utils._host.accounts import find_account

ACCOUNT = find_account(getpass.getuser())


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        (
            "GOTOOLCHAIN",
            "local auto path default go1.22.12 go1.23rc1 go1.22.12+auto local+path",
            "1.22.12 go latest go1+x",
        ),
        ("GO111MODULE", "on off auto", "maybe true ON"),
        (
            "GOPROXY",
            "direct off https://p http://p/x,direct https://a|file:///srv/m proxy.example.com",
            "bogus://x p file://x ,/x",
        ),
        ("GOSUMDB", "off sum.golang.org my.db+1a2b3c4d+AbC=", "nonsense on sum.example.com"),
        ("CGO_ENABLED", "0 1", "maybe yes 2"),
        ("GOFLAGS", "-mod=mod -x", "mod=mod x=-y"),
        ("GODEBUG", "netdns=go a=b,c=d", "netdns ,a=b"),
        ("GOVCS", "*:git example.com:git|hg,*:off", "git example.com:"),
        ("GOMEMLIMIT", "off 100 2GiB", "2GB lots 2G"),
        ("GOGC", "off 50", "-1 many"),
    ],
)
def test_formats(name: str, valid: str, invalid: str) -> None:
    for value in ["", *valid.split()]:
        validate_format(name, value, "alice")
    for value in invalid.split():
        with pytest.raises(DevserverError, match=f"{name} of user alice"):
            validate_format(name, value, "alice")


def test_flags_may_be_quoted() -> None:
    validate_format("GOFLAGS", "'-ldflags=-s -w' -trimpath", "alice")


@pytest.mark.parametrize("name", ["GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE"])
@pytest.mark.parametrize("value", [" *.example.com", "a.example, b.example", "a.example\t"])
def test_patterns_of_paths_contain_no_space(name: str, value: str) -> None:
    validate_format(name, ",".join(value.split()), "alice")
    with pytest.raises(DevserverError, match=f"{name} of user alice"):
        validate_format(name, value, "alice")


def declaration(goroot: str, **variables: str) -> Declaration:
    return Declaration([UserEnvironment(ACCOUNT, variables, [])], goroot, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOFLAGS", "-nonsense"),
        ("GOFLAGS", "-mod=foo"),
        ("GOFLAGS", "-p=0"),
        ("GOEXPERIMENT", "foo"),
        ("GOOS", "plan8"),
        ("GOARCH", "x86"),
        ("GOMEMLIMIT", "2GB"),
        ("GO111MODULE", "maybe"),
    ],
)
def test_the_declared_go_rejects_a_value(goroot: str, name: str, value: str) -> None:
    declared = declaration(goroot, GOPRIVATE="git.example.com", **{name: value})
    with pytest.raises(DevserverError) as raised:
        validate_with_go(declared, required=True)
    assert raised.value.details["variables"] == [name]
    assert f"correct {name}={value}" in str(raised.value) and ACCOUNT.name in str(raised.value)


def test_the_declared_go_accepts_what_is_valid_and_writes_nothing(goroot: str, tmp_path: pathlib.Path) -> None:
    valid = {
        "GOFLAGS": "-mod=mod -modfile=/srv/go.mod",
        "GOOS": "windows",
        "GOARCH": "arm64",
        "GOTOOLCHAIN": "go1.99.0",
        "GOCACHE": str(tmp_path / "cache"),
        "GOPATH": str(tmp_path / "go"),
        "GOPROXY": "off",
        "CC": "no-such-compiler",
    }
    validate_with_go(declaration(goroot, **valid), required=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("GO386", "sse2 softfloat", "387"),
        ("GOAMD64", "v1 v4", "v9 v5 V1 1"),
        ("GOARCH", "amd64 loong64", "x86_64 aarch64"),
        ("GOARM", "5 7 7,softfloat", "8 7,float"),
        ("GOARM64", "v8.0 v9.5 v8.1,lse,crypto", "v8 v7.0 v9.6 v8.0,x"),
        ("GOEXPERIMENT", "anything", ""),
        ("GOFIPS140", "off v1.0.0", "on"),
        ("GOMIPS", "softfloat", "hard"),
        ("GOMIPS64", "hardfloat", "soft"),
        ("GOOS", "linux windows", "linus macos Linux"),
        ("GOPPC64", "power8 power10", "power7"),
        ("GORISCV64", "rva22u64", "rva21u64"),
        ("GOWASM", "satconv satconv,signext", "simd"),
    ],
)
def test_a_host_without_go_accepts_the_values_of_known_versions(
    tmp_path: pathlib.Path, name: str, valid: str, invalid: str
) -> None:
    for value in ["", *valid.split()]:
        validate_with_go(declaration(str(tmp_path), **{name: value}), required=False)
    for value in invalid.split():
        with pytest.raises(DevserverError, match=f"{name} of user {ACCOUNT.name} is '{value}'"):
            validate_with_go(declaration(str(tmp_path), **{name: value}), required=False)


@pytest.mark.parametrize("flags", ["-mod=mod", "-x -mod=vendor -v", "'-mod=readonly'", "-mod=", "-modfile=a", "-x"])
def test_modes_of_modules_that_go_knows(tmp_path: pathlib.Path, flags: str) -> None:
    validate_with_go(declaration(str(tmp_path), GOFLAGS=flags), required=False)


@pytest.mark.parametrize("flags", ["-mod=mood", "-x --mod=mood -v", "-mod=mod -mod=modd"])
def test_other_modes_of_modules(tmp_path: pathlib.Path, flags: str) -> None:
    with pytest.raises(DevserverError) as raised:
        validate_with_go(declaration(str(tmp_path), GOFLAGS=flags), required=False)
    assert raised.value.expected == "-mod=mod, -mod=readonly or -mod=vendor"


# Some versions read the variables of a processor only for that processor, or accept any value.
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("GOOS", "linus linux darwin plan9 windows"),
        ("GOARCH", "x86_64 amd64 arm64"),
        ("GOFLAGS", "-mod=mood -mod=mod -mod=readonly -mod=vendor"),
    ],
)
def test_the_table_agrees_with_a_real_go(goroot: str, tmp_path: pathlib.Path, name: str, values: str) -> None:
    for value in values.split():
        accepted = []
        for place in (goroot, str(tmp_path)):
            try:
                validate_with_go(declaration(place, **{"GOARCH": "amd64", name: value}), required=False)
            except DevserverError:
                continue
            accepted.append(place)
        assert accepted in ([goroot, str(tmp_path)], []), (value, accepted)


def test_a_missing_go_is_rejected_before_anything_is_written_but_not_by_the_plan(tmp_path: pathlib.Path) -> None:
    users = [{"name": ACCOUNT.name, "variables": {"GOPATH": str(tmp_path / "go")}}]
    options = {"users": users, "goroot": str(tmp_path / "none"), "rollback_after": 0}
    params = ArgumentSpecValidator(go_env.ARGUMENT_SPEC).validate(options).validated_parameters
    with pytest.raises(DevserverError, match=r"devserver_goroot \(goroot\) is .*/none, where there is no Go"):
        go_env.converge(params, check=False)
    assert list(tmp_path.iterdir()) == []
    params["variables"] = {"GOFLGAS": "-mod=mod"}
    params["users"][0]["workspaces"] = [str(tmp_path), str(tmp_path / "shop")]
    warnings = go_env.converge(params, check=True).warnings
    assert [text for text in warnings if "GOFLGAS" in text] == [
        "GOFLGAS is declared, which Go does not know. To fix this: correct the name to GOFLAGS"
    ]
    assert [text for text in warnings if "is no directory" in text] == [
        f"the workspace {tmp_path}/shop of user {ACCOUNT.name} is no directory. To fix this: create it, or correct"
        " workspaces of this user in devserver_users"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can add an account")
def test_go_runs_as_the_user(goroot: str) -> None:
    nobody = find_account("nobody")
    validate_with_go(Declaration([UserEnvironment(nobody, {"GOFLAGS": "-x"}, [])], goroot, []), required=True)


@pytest.mark.parametrize("name", ["CC", "CXX", "FC", "GCCGO", "AR", "PKG_CONFIG"])
def test_a_program_that_is_declared_by_its_path_must_run(goroot: str, tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "text").touch()
    for path in ("/nonexistent/gcc", str(tmp_path), str(tmp_path / "text")):
        with pytest.raises(DevserverError, match=f"{name}={path} of user {ACCOUNT.name} cannot be run"):
            validate_with_go(declaration(goroot, **{name: f"{path} -m64"}), required=False)
    validate_with_go(declaration(goroot, **{name: f"{shutil.which('true')} -m64"}), required=False)


def test_a_toolchain_that_the_host_lacks_is_a_warning(tmp_path: pathlib.Path) -> None:
    (tmp_path / "VERSION").write_text("go1.26.8\ntime 2026-08-28T16:20:06Z\n")
    cache, programs = tmp_path / "[mod]", tmp_path / "bin"
    (cache / "golang.org/toolchain@v0.0.1-go1.24.0.linux-amd64").mkdir(parents=True)
    programs.mkdir()
    (programs / "go1.23.0").touch()

    def lacks(value: str) -> str:
        user = UserEnvironment(ACCOUNT, {"GOTOOLCHAIN": value, "GOMODCACHE": str(cache)}, [str(programs)])
        return missing_toolchain(user, str(tmp_path))

    assert [lacks(value) for value in ("go1.99.1", "go1.99.1+auto", "go1.24")] == [
        "go1.99.1",
        "go1.99.1",
        "go1.24",
    ]
    present = ("local", "auto", "local+path", "", "go1.26.8", "go1.26.8+auto", "go1.24.0", "go1.23.0+path")
    assert [lacks(value) for value in present] == [""] * len(present)


def test_the_plan_warns_about_a_toolchain_that_the_host_lacks(tmp_path: pathlib.Path) -> None:
    users = [{"name": ACCOUNT.name, "variables": {"GOTOOLCHAIN": "go1.99.1", "GOPATH": str(tmp_path)}}]
    options = {"users": users, "goroot": str(tmp_path / "none"), "rollback_after": 0}
    params = ArgumentSpecValidator(go_env.ARGUMENT_SPEC).validate(options).validated_parameters
    warnings = go_env.converge(params, check=True).warnings
    expected = f"GOTOOLCHAIN of {ACCOUNT.name} is go1.99.1, which is not on this host: "
    assert len([text for text in warnings if text.startswith(expected)]) == 1
