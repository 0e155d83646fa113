# Copyright (c) 2026, the gopherops.devserver authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on the distribution's release, on the older and the newer one.

That is PAM, sshd, systemd, cron, the shells that tracers follow, the trust store, and the Python that modules run on.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t
from shlex import quote

import pytest
from conftest import ENTRY_POINTS
from fault_injections import CONTEXTS_OF, INJECTIONS
from injecting import TOGETHER, inject, revert

testinfra_hosts = ["ansible://other_releases"]
PLAYBOOKS = pathlib.Path(__file__).parents[3] / "playbooks"
GOPATHS = {"alice": "/home/alice/go", "bob": "/srv/bob/go", "finn": "/srv/föhn's place/finn/go"}
PROBE = "go version; go env GOPATH GOTOOLCHAIN; command -v gopls; command -v dlv"
# A handshake in memory, with the trust store that Python uses by default.
HANDSHAKE = """
import ssl, sys
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1])
ends = ssl.MemoryBIO(), ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(*ends, server_hostname="proxy.test")
peer = server.wrap_bio(*ends[::-1], server_side=True)
for side in (client, peer, client, peer):
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass
print(client.getpeercert()["subjectAltName"])
"""
AUTHORITIES = """
new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
for name in other own; do
    $new -x509 -days 2 -addext keyUsage=critical,keyCertSign,cRLSign -subj /CN=$name -keyout $name.key -out $name.crt
done
$new -subj /CN=proxy.test -keyout server.key -out server.csr
echo subjectAltName=DNS:proxy.test > extension
openssl x509 -req -in server.csr -CA own.crt -CAkey own.key -CAcreateserial -days 2 -extfile extension -out server.crt
cat other.crt own.crt > bundle.pem
cat server.key server.crt > server.pem
"""


@pytest.mark.parametrize("user", GOPATHS)
def test_every_entry_point_has_the_same_go_and_tools(host, user):
    commands = (
        f"echo '= {name}'; {command.format(user=user, command=quote(PROBE))}" for name, command in ENTRY_POINTS.items()
    )
    output = host.check_output("; ".join(commands))
    expected = f"go version go1.22.12 linux/amd64\n{GOPATHS[user]}\nlocal\n/usr/local/bin/gopls\n/usr/local/bin/dlv"
    assert output == "\n".join(f"= {name}\n{expected}" for name in ENTRY_POINTS)


def test_there_are_no_findings_in_any_context(drift):
    result = drift()
    assert result.places == {}
    assert {cell["status"] for cell in result.report["cells"]} <= {"ok", "unmanaged"}
    probed = {(cell["user"], cell["context"]) for cell in result.report["cells"]}
    assert probed == {(user, context) for user, contexts in CONTEXTS_OF.items() for context in contexts}


def test_all_faults_at_once_are_found_and_traced(inside, drift):
    try:
        inside.run(inject(*TOGETHER))
        places = drift(*TOGETHER).places
    finally:
        inside.run(revert(*TOGETHER))
    expected: dict[t.Any, set[t.Any]] = {}
    for name in TOGETHER:
        for finding, place in INJECTIONS[name].findings.items():
            expected.setdefault(finding, set()).add(place)
    assert places.keys() == expected.keys()
    # Several may lead to one finding, which names one of them.
    assert {finding: found for finding, found in places.items() if not found <= expected[finding]} == {}


def test_a_language_server_responds_within_its_unit(host):
    broken = "cp -r ~/hello ~/broken && cd ~/broken && sed -i 's/return text/return txt/' main.go && go mod download"
    check = "gopls '-remote=unix;/run/gopls/alice/gopls.sock' check main.go"
    assert "undefined: txt" in host.check_output(f"su - alice -c {quote(f'{broken} && {check}')}")
    assert host.check_output("systemctl is-active gopls@alice") == "active"


def test_units_use_only_what_this_systemd_knows(host):
    assert host.run("systemd-analyze verify /etc/systemd/system/gopls@*").stderr == ""


def test_python_trusts_each_authority_of_a_bundle(host, tmp_path_factory):
    directory = tmp_path_factory.mktemp("authorities")
    subprocess.run(["sh", "-euc", AUTHORITIES], cwd=directory, check=True, capture_output=True)
    play = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "--limit", host.backend.host]
    bundle = ["-e", f"trust_ca_bundle={directory}/bundle.pem"]
    subprocess.run([*play, "--tags", "trust", *bundle, PLAYBOOKS / "site.yml"], check=True)
    server = f"printf %s {quote((directory / 'server.pem').read_text())} > /run/server.pem"
    assert "proxy.test" in host.check_output(f"{server} && python3 -c {quote(HANDSHAKE)} /run/server.pem")
