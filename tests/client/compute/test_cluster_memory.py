"""What every cluster memory does, on this machine, in a real Dask cluster, and with `-m ray` in a real Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import ray
from distributed import Client, LocalCluster

from flowcept.compute.cluster_memory import BACKENDS, ClusterMemory, ClusterMemoryError, get_cluster_memory
from flowcept.compute.cluster_memory._local import LocalClusterMemory
from flowcept.errors import InvalidArgumentError

pytestmark = pytest.mark.filterwarnings("default")  # what Ray and Dask warn of is not ours to mend


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of one node, with this process as its driver."""
    # Ray's sockets lie in its directory, and the paths of sockets are short.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-") as short_path:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # or a token would be left in the home directory
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            "local",  # never one that happens to be there
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100 << 20,
            _temp_dir=short_path,
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[LocalCluster]:
    """A Dask cluster with one worker process."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.fixture
def dask_client(dask_cluster: LocalCluster) -> Iterator[Client]:
    with Client(dask_cluster) as client:
        yield client


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.ray] if name == "ray" else []) for name in BACKENDS])
def memory(request: pytest.FixtureRequest) -> Iterator[ClusterMemory]:
    """One of the memories, empty."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    elif request.param == "dask":
        request.getfixturevalue("dask_client")
    memory = get_cluster_memory(request.param)
    memory.clear()
    yield memory
    memory.clear()


def value(number: int) -> Any:
    """A value that every memory keeps."""
    return dask.array.full((2, 2), number)


def number_of(kept: Any) -> int:
    """The number that `value` was made of."""
    return int(kept.compute()[1, 1])


class TestEveryMemory:
    def test_gives_what_was_put(self, memory: ClusterMemory) -> None:
        memory.put("key", value(5))

        assert memory.exists("key")
        assert number_of(memory.get("key")) == 5

    def test_keeps_the_last_value(self, memory: ClusterMemory) -> None:
        memory.put("key", value(1))
        memory.put("key", value(2))

        assert number_of(memory.get("key")) == 2

    def test_has_namespaces(self, memory: ClusterMemory) -> None:
        memory.put("key", value(1), namespace="a")
        memory.put("key", value(2), namespace="b")
        memory.delete("key", namespace="a")

        assert not memory.exists("key", namespace="a")
        assert number_of(memory.get("key", namespace="b")) == 2
        assert not memory.exists("key")

    def test_forgets_what_is_deleted(self, memory: ClusterMemory) -> None:
        memory.put("key", value(1))
        memory.delete("key")

        assert not memory.exists("key")

    @pytest.mark.parametrize("use", ["get", "delete"])
    def test_says_when_there_is_nothing(self, memory: ClusterMemory, use: str) -> None:
        with pytest.raises(KeyError, match="nothing under 'key'"):
            getattr(memory, use)("key")

    def test_forgets_everything_when_cleared(self, memory: ClusterMemory) -> None:
        memory.put("key", value(1))
        memory.put("key", value(1), namespace="a")

        memory.clear()

        assert not memory.exists("key")
        assert not memory.exists("key", namespace="a")

    @pytest.mark.parametrize("key", ["a/b", "..", "ünï " * 100, "nul\0"])
    def test_takes_any_text_as_a_key(self, memory: ClusterMemory, key: str) -> None:
        memory.put(key, value(3))

        assert number_of(memory.get(key)) == 3

    @pytest.mark.parametrize(
        ("names", "wrong"),
        [
            (("default", 5), r"key is 5 of type int; it must be a string"),
            (("default", "\ud800"), r"key is .* without lone surrogates"),
            ((None, "key"), r"namespace is None of type NoneType; it must be a string"),
        ],
    )
    def test_refuses_names_that_are_no_text(self, memory: ClusterMemory, names: tuple[Any, Any], wrong: str) -> None:
        namespace, key = names
        with pytest.raises(InvalidArgumentError, match=wrong):
            memory.put(key, value(1), namespace=namespace)
        for use in (memory.get, memory.delete, memory.exists):
            with pytest.raises(InvalidArgumentError, match=wrong):
                use(key, namespace=namespace)

    def test_refuses_what_it_cannot_keep_and_keeps_what_is_there(self, memory: ClusterMemory) -> None:
        memory.put("key", value(1))

        with pytest.raises(ClusterMemoryError, match="generator"):
            memory.put("key", (number for number in range(3)))

        assert number_of(memory.get("key")) == 1


def put_in_another_process(directory: Path, barrier_free: str) -> None:
    LocalClusterMemory(directory).put(barrier_free, list(range(10)))


class TestLocalMemory:
    def test_is_shared_with_other_processes(self, tmp_path: Path) -> None:
        directory = tmp_path / "memory"
        process = multiprocessing.get_context("spawn").Process(target=put_in_another_process, args=(directory, "key"))
        process.start()
        process.join()

        assert LocalClusterMemory(directory).get("key") == list(range(10))

    def test_keeps_any_value_that_can_be_pickled(self, tmp_path: Path) -> None:
        memory = LocalClusterMemory(tmp_path / "memory")
        memory.put("key", {"array": np.arange(5), "path": tmp_path})

        kept = memory.get("key")

        assert kept["path"] == tmp_path
        assert kept["array"].tolist() == [0, 1, 2, 3, 4]

    def test_leaves_nothing_of_a_value_that_cannot_be_kept(self, tmp_path: Path) -> None:
        memory = LocalClusterMemory(tmp_path / "memory")
        with pytest.raises(ClusterMemoryError, match=r"list cannot be pickled: .*; serialize it another way"):
            memory.put("key", [bytes(1 << 20), lambda: None])

        assert list((tmp_path / "memory").iterdir()) == []

    def test_refuses_a_directory_that_others_may_write_to(self, tmp_path: Path) -> None:
        directory = tmp_path / "memory"
        directory.mkdir()
        directory.chmod(0o777)

        with pytest.raises(ClusterMemoryError, match="this user's alone"):
            LocalClusterMemory(directory)

    def test_refuses_a_link_in_the_place_of_its_directory(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "memory").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(ClusterMemoryError, match="this user's alone"):
            LocalClusterMemory(tmp_path / "memory")

    def test_says_when_there_is_no_room(self) -> None:
        with pytest.raises(ClusterMemoryError, match="/dev/full"):
            LocalClusterMemory(Path("/dev/full/memory"))


@pytest.mark.ray
class TestRayMemory:
    def test_values_outlive_the_worker_that_put_them(self, ray_cluster: None) -> None:
        class Worker:
            def put(self) -> None:
                get_cluster_memory().put("from a worker", {"array": np.arange(100_000)})

        worker: Any = ray.remote(Worker).remote()
        ray.get(worker.put.remote())
        ray.kill(worker)

        kept = get_cluster_memory().get("from a worker")

        assert int(kept["array"][-1]) == 99_999

    def test_is_what_a_program_in_a_ray_cluster_has(self, ray_cluster: None) -> None:
        assert type(get_cluster_memory()).__name__ == "RayClusterMemory"


class TestDaskMemory:
    def test_values_outlive_the_client_that_put_them(self, dask_cluster: LocalCluster) -> None:
        with Client(dask_cluster):
            get_cluster_memory("dask").put("array", dask.array.arange(1000, chunks=100))

        with Client(dask_cluster):
            kept = get_cluster_memory("dask").get("array")
            assert int(kept.sum().compute()) == 499_500

    def test_workers_share_it(self, dask_client: Client) -> None:
        def put_in_a_worker() -> str:
            memory = get_cluster_memory()
            memory.put("from a worker", dask.array.ones(10))
            return type(memory).__name__

        assert dask_client.submit(put_in_a_worker, pure=False).result() == "DaskClusterMemory"
        assert float(get_cluster_memory("dask").get("from a worker").sum().compute()) == 10.0

    @pytest.mark.parametrize("kept", [[1, 2], "text", np.arange(3)])
    def test_keeps_only_collections_of_dask(self, dask_client: Client, kept: Any) -> None:
        with pytest.raises(ClusterMemoryError, match="use an artifact"):
            get_cluster_memory("dask").put("key", kept)

    def test_leaves_other_data_sets_alone(self, dask_client: Client) -> None:
        dask_client.publish_dataset(dask.array.ones(1), name="somebody's")
        try:
            get_cluster_memory("dask").clear()
            assert "somebody's" in dask_client.list_datasets()
        finally:
            dask_client.unpublish_dataset("somebody's")


def memory_of_a_program(beginning: str) -> str:
    """The class of the memory that a program of its own has."""
    program = f"""{beginning}
from flowcept.compute.cluster_memory import get_cluster_memory
print(type(get_cluster_memory()).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=100)
    return done.stdout.strip()


class TestChoice:
    def test_a_program_in_no_cluster_has_the_memory_of_its_machine(self) -> None:
        assert memory_of_a_program("") == "LocalClusterMemory"

    def test_having_imported_them_is_not_being_in_their_clusters(self) -> None:
        assert memory_of_a_program("import distributed, ray") == "LocalClusterMemory"

    def test_a_program_with_a_dask_client_has_that_of_dask(self, dask_cluster: LocalCluster) -> None:
        address = dask_cluster.scheduler_address

        assert memory_of_a_program(f"import distributed; distributed.Client({address!r})") == "DaskClusterMemory"

    def test_an_unknown_backend_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="backend is 'redis'; use one of local, ray, dask"):
            get_cluster_memory("redis")

    def test_a_backend_without_its_cluster_is_refused(self) -> None:
        with pytest.raises(ClusterMemoryError, match=r"distributed\.Client"):
            get_cluster_memory("dask")

    @pytest.mark.parametrize("name", ["ray", "dask"])
    def test_a_backend_that_is_not_installed_says_how_to(
        self, name: str, monkeypatch: pytest.MonkeyPatch, forget: Callable[[str], None]
    ) -> None:
        forget(f"flowcept.compute.cluster_memory._{name}")
        monkeypatch.setitem(sys.modules, "ray" if name == "ray" else "distributed", None)

        with pytest.raises(ModuleNotFoundError, match=rf"flowcept-service\[{name}\]"):
            get_cluster_memory(name)


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a module imported anew."""
    return lambda name: monkeypatch.delitem(sys.modules, name, raising=False)
