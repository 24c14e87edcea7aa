"""Secrets show nowhere: not in the log, at its most talkative, nor in what the service tells about itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import grpc

from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.blobs import Blobs
from tests.support.certificates import Authority, secure_channel, server_settings
from tests.support.conditions import eventually
from tests.support.issuer import AUDIENCE, SigningKey, provider
from tests.support.provenance import batch, task
from tests.support.security import entry, replace_file, sending, token_of
from tests.support.server import ServerProcess

PASSWORD = "hunter2-of-the-database"


def test_secrets_show_nowhere(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = authority.server()
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(entry("static", scopes=["read", "write"], campaigns=["c"]))
    with provider() as issuer:
        environ = {
            "FLOWCEPT_SERVICE_MONGODB_URI": f"mongodb://user:{PASSWORD}@localhost/",
            "FLOWCEPT_SERVICE_AUTH_TOKENS_FILE": str(tokens),
            "FLOWCEPT_SERVICE_AUTH_OIDC_ISSUER": issuer.url,
            "FLOWCEPT_SERVICE_AUTH_OIDC_AUDIENCE": AUDIENCE,
            "FLOWCEPT_SERVICE_LOG_LEVEL": "debug",
            "FLOWCEPT_SERVICE_LOG_CALLS": "true",
            "FLOWCEPT_SERVICE_LOG_FORMAT": "json",
            **{
                f"FLOWCEPT_SERVICE_{name.upper()}": str(file)
                for name, file in server_settings(identity).items()
                if file
            },
        }
        sent = [token_of("static"), token_of("stranger"), issuer.token(), issuer.token(SigningKey("forged")), "a.b.c"]
        with ServerProcess(tmp_path, environ=environ) as server:
            with secure_channel(server.target, authority.file) as channel:
                for token in sent:
                    _call_everything(sending(channel, token))
                replace_file(tokens, f'broken = {{ sha256 = "{token_of("pasted")}", scopes = ["read"] }}\n')
                _call_everything(sending(channel, token_of("static")))
            eventually(lambda: "stays in use" in server.log.read_text())
            told = [server.log.read_text(), _config(environ)]
            told += [file.read_text() for file in server.data_dir.glob("status.json")]
    key = identity.key_file.read_text().splitlines()[1]
    for secret in (*sent, token_of("pasted"), PASSWORD, key):
        for text in told:
            assert secret not in text
    assert '"principal": "static"' in told[0], "who called is known, and that is no secret"
    assert '"principal": "alice"' in told[0]


def _call_everything(channel: grpc.Channel) -> None:
    """Calls that work, that are refused, and that fail."""
    blobs, provenance = Blobs(channel), ProvenanceStub(channel)
    for call in (
        lambda: blobs.put(b"data", "upload"),
        lambda: blobs.object("nothing"),
        lambda: provenance.Publish(batch(task("t", campaign_id="c"))),
    ):
        try:
            call()
        except grpc.RpcError:
            continue


def _config(environ: dict[str, str]) -> str:
    command = [sys.executable, "-m", "flowcept_service", "config"]
    shown = [
        subprocess.run([*command, *form], env={**os.environ, **environ}, capture_output=True, text=True, check=True)
        for form in ([], ["--json"])
    ]
    assert json.loads(shown[1].stdout)["mongodb_uri"] == "***"
    return "".join(done.stdout + done.stderr for done in shown)
