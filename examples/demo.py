"""The main job, end to end: train, capture provenance, stream every checkpoint, restore one, tell where it came from.

Starts a service of its own on a temporary directory (``--store mongodb``: and a MongoDB of its own). Exits 0 when
everything that it shows is true.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from examples.unreliable_link import UnreliableLink
from flowcept import Flowcept, FlowceptTask
from flowcept.consumers import BaseConsumer, EventMessage

# The tests know how to run a service, and a MongoDB, as processes of their own.
from tests.support.services import service_on

EPOCHS = 4
SAMPLES = 128
console = Console(highlight=False, width=110)


class EventPrinter(BaseConsumer):
    """Prints events as they are committed, on a thread of its own."""

    def message_handler(self, msg_obj: EventMessage) -> bool:
        """Print one event, and go on until the workflow has ended."""
        if msg_obj["type"] == "object":
            what, state = msg_obj["object_type"], f"version {msg_obj['version']} of {msg_obj['object_id'][:8]}…"
        else:
            what, state = msg_obj.get("activity_id") or msg_obj.get("name"), msg_obj["status"]
        console.print(f"  [dim]{msg_obj.event.sequence:>3}[/]  {msg_obj['type']:<9} {what:<14} [dim]{state}[/]")
        return not (msg_obj["type"] == "workflow" and state == "FINISHED")


def make_data() -> tuple[torch.Tensor, torch.Tensor]:
    """Points in the plane, labelled by which side of a parabola they lie on."""
    points = torch.rand(SAMPLES, 2, generator=torch.Generator().manual_seed(7)) * 2 - 1
    return points, (points[:, 1] > points[:, 0] ** 2).float().unsqueeze(1)


def make_model() -> nn.Module:
    """A small network with enough parameters for a checkpoint of a few megabytes."""
    return nn.Sequential(nn.Linear(2, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1))


def train(model: nn.Module, learning_rate: float) -> str:
    """Train for some epochs, each a task, each checkpoint a version of one object; the object's id."""
    points, labels = make_data()
    with FlowceptTask(activity_id="prepare_data", used={"samples": SAMPLES, "seed": 7}) as task:
        dataset_id = Flowcept.db.save_or_update_dataset(
            {"points": points.numpy(), "labels": labels.numpy()},
            task_id=task.get_id(),
            pickle=True,
            control_version=True,
        )
        task.end(generated={"dataset_id": dataset_id})
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    checkpoint_id = str(uuid.uuid4())
    for epoch in range(EPOCHS):
        used = {"epoch": epoch, "learning_rate": learning_rate, "dataset_id": dataset_id}
        with FlowceptTask(activity_id="train_epoch", used=used) as task:
            for _ in range(10):
                optimizer.zero_grad()
                loss = nn.functional.binary_cross_entropy_with_logits(model(points), labels)
                loss.backward()  # type: ignore[no-untyped-call]  # torch declares no types for it
                optimizer.step()
            Flowcept.db.save_or_update_torch_model(
                model,
                object_id=checkpoint_id,
                task_id=task.get_id(),
                custom_metadata={"epoch": epoch, "loss": loss.item()},
                control_version=True,
            )
            task.end(generated={"loss": loss.item(), "checkpoint_id": checkpoint_id, "version": epoch})
    return checkpoint_id


def show_history(checkpoint_id: str) -> None:
    """Print the versions of an object, newest first."""
    table = Table("version", "size", "sha256", "epoch", "loss", title="History of the checkpoint")
    for version in Flowcept.db.get_object_history(checkpoint_id):
        metadata = version["custom_metadata"]
        table.add_row(
            str(version["version"]),
            f"{version['object_size_bytes']:,}",
            version["data_sha256"][:16] + "…",
            str(metadata["epoch"]),
            f"{metadata['loss']:.4f}",
        )
    console.print(table)


def show_lineage(checkpoint_id: str, version: int) -> None:
    """Print which task, parameters and data made a version."""
    checkpoint = Flowcept.db.get_blob_object(checkpoint_id, version=version)
    (task,) = Flowcept.db.task_query({"task_id": checkpoint.task_id})
    (workflow,) = Flowcept.db.workflow_query({"workflow_id": checkpoint.workflow_id})
    dataset = Flowcept.db.get_dataset(task["used"]["dataset_id"])
    parameters = {key: value for key, value in task["used"].items() if key != "dataset_id"}
    table = Table("what", "value", title=f"Where version {version} came from", show_header=False)
    table.add_row("workflow", f"{workflow['name']}  {workflow['status']}")
    table.add_row("task", f"{task['activity_id']}  {task['task_id']}  {task['status']}")
    table.add_row("parameters", ", ".join(f"{key}={value}" for key, value in parameters.items()))
    table.add_row("data", f"{dataset.object_id} version {dataset.version}, {dataset.object_size_bytes:,} bytes")
    table.add_row("result", f"loss {task['generated']['loss']:.4f}")
    console.print(table)


def restore(model: nn.Module, checkpoint_id: str, version: int) -> None:
    """Load a version into a fresh model and check that it answers as the trained one does."""
    fresh = make_model()
    Flowcept.db.load_torch_model(fresh, checkpoint_id, version=version)
    points, _ = make_data()
    with torch.no_grad():
        if not torch.equal(fresh(points), model(points)):
            raise SystemExit("the restored model differs from the trained one")
    console.print(
        f"Restored version {version} into a fresh model: its answers equal the trained model's, bit for bit.\n"
    )


def upload_over_an_unreliable_link(target: str, directory: Path) -> None:
    """Upload a file while the connection is cut, and show that the client resumed by itself."""
    payload = directory / "checkpoint.bin"
    payload.write_bytes(os.urandom(48 << 20))
    with UnreliableLink(target, cut_after_bytes=20 << 20) as link, Flowcept.connect(target=link.target) as db:
        object_id = db.save_or_update_object(payload, type="artifact")
        console.print(
            f"Uploaded {payload.stat().st_size:,} bytes although the connection was cut after {20 << 20:,}: "
            f"{link.connections} connections, {link.bytes_forwarded:,} bytes sent in all."
        )
        fingerprint = db.get_blob_fingerprint(object_id)
        console.print(f"Fingerprint: {fingerprint['object_size_bytes']:,} bytes, sha256 {fingerprint['data_sha256']}\n")


@click.command()
@click.option("--store", type=click.Choice(["lmdb", "mongodb"]), default="lmdb", show_default=True)
def main(store: str) -> None:
    """Run the demo against a service of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flowcept-demo-") as name, service_on(store, Path(name)) as service:
        target = service.target
        os.environ["FLOWCEPT_TARGET"] = target
        os.chdir(name)  # the run leaves its buffer file where it runs
        console.print(f"A service on {store} listens on {target}.\n\nTraining, with every event as it is committed:")
        printer = EventPrinter().start(threaded=True, daemon=True)
        model = make_model()
        with Flowcept(workflow_name="demo_training"):
            checkpoint_id = train(model, learning_rate=0.003)
        printer.join()
        console.print()
        show_history(checkpoint_id)
        restore(model, checkpoint_id, version=EPOCHS - 1)
        upload_over_an_unreliable_link(target, Path(name))
        show_lineage(checkpoint_id, version=EPOCHS - 1)
    console.print(f"\nDone in {time.monotonic() - started:.1f} s; the service and its data are gone again.")


if __name__ == "__main__":
    main()
