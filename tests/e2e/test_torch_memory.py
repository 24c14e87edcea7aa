"""A model's parameters exist once, while it is saved and while it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clients import run_client
from tests.support.server import ServerProcess

MODEL_MIB = 512
# What a client may hold beside the model: bytes that are not staged yet (48 MiB), pieces under way, and gRPC.
BESIDE_MIB = 120

CLIENT = """
import json, sys, threading
from pathlib import Path
import torch
from torch import nn
from flowcept.config import ClientSettings
from flowcept.db import DBAPI


def anonymous():
    # Memory of our own. The mapped checkpoint file is the kernel's cache of a file, which it drops when it likes.
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


model = nn.Sequential(*(nn.Linear(4096, 4096) for _ in range(8)))  # 512 MiB
for parameter in model.parameters():
    parameter.data.fill_(0.5 if sys.argv[2] == "save" else 0.0)  # so that all of its pages exist
with DBAPI(ClientSettings.load(target=sys.argv[1])) as db:
    assert db.liveness_test()
    highest, before, done = [anonymous()], anonymous(), threading.Event()

    def watch():
        while not done.wait(0.005):
            highest.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    if sys.argv[2] == "save":
        db.save_or_update_torch_model(model, "model")
    else:
        db.load_torch_model(model, "model")
    done.set()
    watcher.join()
right = all(bool((parameter == 0.5).all()) for parameter in model.parameters())
print(json.dumps({"grown": max(highest) - before, "right": right}))
"""


@pytest.mark.timeout(240)
def test_a_checkpoint_is_saved_and_loaded_without_a_second_copy(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        saved = run_client(CLIENT, server.target, "save")
        loaded = run_client(CLIENT, server.target, "load")
    assert saved["right"]
    assert loaded["right"]
    assert saved["grown"] < BESIDE_MIB < MODEL_MIB, saved
    assert loaded["grown"] < BESIDE_MIB, loaded
