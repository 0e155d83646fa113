# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random secrets in every place that a play or a user can put one, and a search for them wherever others can read.

The modules run as root, as Ansible starts them, in a mount namespace with its own /etc, for a user of that namespace.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import io
import json
import os
import pathlib
import secrets
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import typing as t

import pytest
from ansible_collections.gopherops.devserver.plugins.module_utils._environment.contexts import ssh

from tests.support.directories import public_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a mount namespace, and act as a user")

USER = "alice"
# Runs modules one after the other, each with its log on the standard error.
RUNNER = """
import json, os, subprocess, sys
script = (
    "import importlib, sys; from ansible.module_utils.basic import AnsibleModule;"
    "AnsibleModule.log = lambda self, text, log_args=None: print(text, log_args, file=sys.stderr);"
    "importlib.import_module('ansible_collections.gopherops.devserver.plugins.modules.' + sys.argv.pop()).main()"
)
done, report = [], {}
for module, options in json.load(sys.stdin):
    if module == "support_bundle":
        options["drift"] = report
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options})
    result = subprocess.run([sys.executable, "-c", script, module], input=arguments, capture_output=True, text=True)
    done.append([module, result.stdout, result.stderr])
    if module == "go_env_drift":
        report = json.loads(result.stdout).get("report", {})
json.dump(done, sys.stdout)
"""


class Plant:
    """The secrets, by where they are planted."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        # With what base64 has, and what a user may type.
        self.places[place] = f"{secrets.token_hex(8)}/{secrets.token_hex(4)}+{secrets.token_urlsafe(6)}"
        return self.places[place]

    def url(self, place: str) -> str:
        # Nothing listens there.
        return f"https://ci:{self(place + ', password')}@127.0.0.1:9/mod?access_token={self(place + ', token')}"

    def found_in(self, content: bytes) -> list[str]:
        # Each has a unique beginning, which a part of it has too.
        return [place for place, secret in self.places.items() if secret.split("/")[0].encode() in content]


class Host:
    """A directory with the namespace's /etc, a home with startup files and a workspace, and files for temporary use."""

    def __init__(self, top: pathlib.Path, plant: Plant) -> None:
        self.top, self.plant = top, plant
        self.home, self.temporary, self.etc = top / "home", top / "tmp", top / "etc"
        self.temporary.mkdir()
        self.temporary.chmod(0o1777)
        shutil.copytree("/etc", self.etc, symlinks=True)
        subprocess.run(["cp", "-a", "/etc/.", self.etc], check=True)
        self.inside("useradd", "--create-home", f"--home-dir={self.home}", "--shell=/bin/bash", USER)
        self.home.chmod(0o755)
        self._write_home()

    def inside(self, *command: str, stdin: str = "") -> str:
        """Run a command in the namespace."""
        script = f'mount --bind {self.etc} /etc && exec "$@"'
        argv = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", *command]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(self.temporary)}
        done = subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, check=False)
        if "mount:" in done.stderr:
            pytest.skip(f"no filesystem can be mounted here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _write_home(self) -> None:
        plant = self.plant
        startup = (
            f"export GITHUB_TOKEN={plant('startup file, by name')}\n"
            f"export GOPROXY={plant.url('startup file, GOPROXY')}\n"
            f"export GOFLAGS='-mod=mod -ldflags=-X=main.token={plant('startup file, GOFLAGS')}'\n"
            f"export CORP_API_TOKEN={plant('startup file, declared variable')}\n"
            f"echo 'password: {plant('startup file, output')}'\n"
            f"echo 'login with ghp_{secrets.token_hex(18)}'\n"
        )
        goenv = f"GOPROXY={plant.url('go env file')}\nGOFLAGS=-ldflags=-X=main.apiKey={plant('go env file, GOFLAGS')}\n"
        dsn = f"app:{plant('launch.json, DSN')}@tcp(db:3306)/x"
        env = {"DB_PASSWORD": plant("launch.json"), "DSN": dsn, "GOPROXY": plant.url("launch.json, GOPROXY")}
        launch = {"configurations": [{"type": "go", "name": "x", "request": "launch", "mode": "auto", "env": env}]}
        settings = {"go.toolsEnvVars": {"GITHUB_PAT": plant("settings.json"), "GOPROXY": plant.url("settings.json")}}
        container = {"containerEnv": {"NPM_TOKEN": plant("devcontainer.json")}}
        files = {
            ".bashrc": startup,
            ".profile": startup,
            ".config/go/env": goenv,
            ".netrc": f"machine git.example.com login alice password {plant('.netrc')}\n",
            "shop/.vscode/launch.json": json.dumps(launch, indent=1),
            "shop/.vscode/settings.json": json.dumps(settings, indent=1),
            "shop/.devcontainer/devcontainer.json": json.dumps(container, indent=1),
            "settings.json": json.dumps({"password": plant("merged settings.json")}),
            "gopls.log": f"GET {plant.url('log')}\nAuthorization: Bearer {plant('log, header')}\n",
        }
        for name, text in files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        self.inside("chown", "-R", f"{USER}:", str(self.home))

    def calls(self) -> list[tuple[str, dict[str, t.Any]]]:
        """Return modules with their options, each of which has secrets."""
        plant = self.plant
        goroot = str(pathlib.Path(shutil.which("go") or "/usr/local/go/bin/go").resolve().parents[1])
        manage = ["settings", "launch", "devcontainer"]
        flags = ["-mod=mod", f"-ldflags=-X=main.token={plant('declaration, GOFLAGS')}"]
        variables = {"CORP_API_TOKEN": plant("declaration, by name"), "GOFLAGS": flags}
        own = {"PGPASSWORD": plant("declaration of the user"), "GOPROXY": plant.url("declaration, GOPROXY")}
        workspaces = [{"path": "{home}/shop", "manage": manage}]
        declaration = {
            "users": [{"name": USER, "variables": own, "workspaces": workspaces}],
            "variables": variables,
            "goroot": goroot,
        }
        service = {
            "name": "api",
            "user": USER,
            "listen": "127.0.0.1:2345",
            "workspace": str(self.home / "shop"),
            "environment": {"DB_PASSWORD": plant("debug service"), "UNNAMED": plant("debug service, plain value")},
            "args": ["--token", plant("debug service, argument"), plant.url("debug service, argument")],
            "build_flags": [f"-ldflags=-X=main.token={plant('debug service, flag')}"],
        }
        workaround = {"name": "x", "reason": "x", "environment": {"API_KEY": plant("workaround")}}
        tool = {"package": "example.com/x", "version": "v1.0.0"}
        key = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
        planned = {
            "ca_trust": {"pem": key.format(plant("certificates"))},
            "dlv_probe": {"environment": own, "workspace": "/nowhere", "trigger": plant.url("dlv_probe")},
            "dlv_service": {"services": [service]},
            "dlv_tls": {"services": [], "key": key.format(plant("TLS key")), "certificate": "x", "authority": "x"},
            "go_bundle": {"file": f"{self.top}/b", "mirror": plant.url("bundle"), "versions": ["1.98.1"], "tools": []},
            "go_bundle_unpack": {"file": plant.url("bundle file"), "_delivery": {"sha256": "0" * 64}},
            "go_tool": {"tools": [tool], "goproxy": plant.url("tools"), "goroot": goroot, "root": f"{self.top}/tools"},
            "go_toolchain": {
                "versions": ["1.98.1"],
                "checksums": {"1.98.1": "0" * 64},
                "sources": ["mirror", "goproxy"],
                "mirror": plant.url("mirror"),
                "goproxy": plant.url("toolchain"),
                "root": f"{self.top}/go",
                "link": f"{self.top}/link",
                "bin_dir": f"{self.top}/bin",
            },
            "gopls_service": {**declaration, "workarounds": [workaround], "settings": {"env": variables}},
            "host_plan": {"roles": [{"role": "environment", "tasks": [{"module": "go_env", "args": declaration}]}]},
        }
        merged = {"api": {"authToken": plant("merged values")}, "url": plant.url("merged values")}
        bundle = {"secrets": [plant("support_bundle_secrets")], "logs": [f"{self.home}/gopls.log"], "binaries": []}
        calls = [
            *((module, {"_ansible_check_mode": True, **options}) for module, options in planned.items()),
            ("go_env", {"_ansible_check_mode": True, **declaration}),
            ("go_env", declaration),
            ("go_env_drift", {**declaration, "timeout": 5}),
            ("jsonc_merge", {"path": f"{self.home}/settings.json", "values": merged, "user": USER}),
            ("support_bundle", {"dest": "/x.tar.gz", "units": [], "coredumps": False, "goroot": goroot, **bundle}),
        ]
        return [(module, {"_ansible_diff": True, **options}) for module, options in calls]


def readable_files(top: pathlib.Path) -> t.Iterator[tuple[str, bytes]]:
    """Yield the files that every user can read, with their content; what disappears meanwhile is left out."""
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if mode_of(f"{directory}/{name}") & stat.S_IXOTH]
        for path in (f"{directory}/{name}" for name in files):
            mode = mode_of(path)
            if stat.S_ISREG(mode) and mode & stat.S_IROTH:
                with contextlib.suppress(OSError):
                    yield path, pathlib.Path(path).read_bytes()


def mode_of(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


@contextlib.contextmanager
def watching(host: Host) -> t.Iterator[dict[str, list[str]]]:
    """Read all command lines, and the temporary files that everybody can read, over and over; yield the leaks."""
    leaks: dict[str, list[str]] = {"read": []}
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    note(path, pathlib.Path(path).read_bytes())
            for path, content in readable_files(host.temporary):
                note(path, content)

    def note(path: str, content: bytes) -> None:
        if b"go_env_drift" in content:
            leaks["read"] = [path]
        places = host.plant.found_in(content)
        if places:
            leaks.setdefault(f"{path}: {content[:300]!r}", places)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield leaks
    finally:
        done.set()
        thread.join()


def leaks_in(plant: Plant, files: t.Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    return {name: found for name, content in files if (found := plant.found_in(content))}


def bundled_files(result: str) -> dict[str, bytes]:
    content = base64.b64decode(json.loads(result)["archive"])
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_no_secret_is_where_others_can_read_it() -> None:
    plant = Plant()
    with public_directory() as top:
        host = Host(top, plant)
        calls = host.calls()
        with watching(host) as leaks:
            outcomes = json.loads(host.inside(sys.executable, "-c", RUNNER, stdin=json.dumps(calls)))
        assert leaks.pop("read"), "the processes were not seen"
        assert leaks == {}
        for module, result, log in outcomes:
            assert "Traceback" not in log, log
            assert (module, plant.found_in(log.encode())) == (module, [])
            shown = json.loads(result)
            archive = shown.pop("archive", "")
            assert (module, plant.found_in(json.dumps(shown).encode())) == (module, []), shown
            if archive:
                assert {
                    name: found for name, text in bundled_files(result).items() if (found := plant.found_in(text))
                } == {}
        assert {path: found for path, text in readable_files(top) if (found := plant.found_in(text))} == {}
        # What was planted was there, and the modules did their work.
        results = {module: json.loads(result) for module, result, _log in outcomes}
        assert results["go_env"]["changed"] and results["go_env"]["diff"] and results["jsonc_merge"]["changed"]
        assert plant.places["declaration, by name"] in (host.etc / f"gopherops/users/{USER}.sh").read_text()
        shared = {cell["variable"]: cell["actual"] for cell in results["go_env_drift"]["report"]["cells"]}
        assert shared["GOFLAGS"].startswith("-mod=mod -ldflags=-X=main.token=***")
        assert results["go_env_drift"]["report"]["findings"]


def test_the_copy_of_sshd_config_is_for_root_only(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = tmp_path / "sshd_config"
    configuration.write_text("Match Group secret\n")
    configuration.chmod(0o600)
    monkeypatch.setattr(ssh.sshd_config, "CONFIGURATION", str(configuration))
    directory = tmp_path / "probe"
    directory.mkdir()
    ssh._lay_out(str(directory), {}, 10)
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert (directory / "sshd_config").read_text().endswith("Match Group secret\n")
    # sshd reads the authorized key with the user's rights.
    assert {name for name, mode in modes.items() if mode != 0o600} == {"authorized_keys"}
