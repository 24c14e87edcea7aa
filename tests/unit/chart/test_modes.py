"""The two modes: one pod with a volume, or many on MongoDB."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.helm import Chart
from tests.unit.chart.cases import ON_MONGODB
from tests.unit.chart.resources import (
    Resource,
    container,
    kinds,
    mounts,
    of_kind,
    only,
    pod_spec,
    settings,
    workload,
)

Render = Callable[[str], list[Resource]]
DATA = "/var/lib/flowcept"


def test_embedded_is_one_pod_of_a_stateful_set(rendered: Render) -> None:
    resources = rendered("defaults")

    assert workload(resources)["kind"] == "StatefulSet"
    assert workload(resources)["spec"]["replicas"] == 1
    assert not {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"} & kinds(resources)
    assert workload(resources)["spec"]["serviceName"] == "lab-flowcept-headless"
    assert settings(resources)["STORE"] == "lmdb"
    assert settings(resources)["DATA_DIR"].startswith(f"{DATA}/")


def test_the_embedded_data_outlives_the_release(rendered: Render) -> None:
    resources = rendered("defaults")

    assert workload(resources)["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert mounts(resources)[DATA]["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "50Gi"}},
    }


def test_the_volume_can_be_chosen(rendered: Render) -> None:
    claim = mounts(rendered("a chosen volume"))[DATA]

    assert claim["metadata"]["annotations"] == {"backup": "daily"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOncePod"],
        "storageClassName": "local-nvme",
        "resources": {"requests": {"storage": "2Ti"}},
    }


def test_a_claim_that_exists_is_used(rendered: Render) -> None:
    resources = rendered("a claim that exists")

    assert mounts(resources)[DATA]["persistentVolumeClaim"] == {"claimName": "old-data"}
    assert "volumeClaimTemplates" not in workload(resources)["spec"]


def test_a_trial_can_do_without_a_volume(rendered: Render) -> None:
    assert mounts(rendered("without persistence"))[DATA]["emptyDir"] == {"sizeLimit": "50Gi"}


def test_an_embedded_store_can_have_a_copy_in_mongodb(rendered: Render) -> None:
    resources = rendered("a copy in mongodb")
    names = [entry["name"] for entry in container(resources)["env"]]

    assert workload(resources)["kind"] == "StatefulSet"
    assert settings(resources)["STORE"] == "lmdb,mongodb"
    assert "FLOWCEPT_SERVICE_MONGODB_URI" in names
    assert "FLOWCEPT_SERVICE_MONGODB_URI" not in [entry["name"] for entry in container(rendered("defaults"))["env"]]


def test_scaled_is_a_deployment_on_the_database_of_the_secret(rendered: Render) -> None:
    resources = rendered("scaled")
    (uri,) = (entry for entry in container(resources)["env"] if entry["name"] == "FLOWCEPT_SERVICE_MONGODB_URI")

    assert workload(resources)["kind"] == "Deployment"
    assert settings(resources)["STORE"] == "mongodb"
    assert uri["valueFrom"]["secretKeyRef"] == {"name": "science-db", "key": "connectionString.standard"}
    assert DATA not in mounts(resources)
    assert "StatefulSet" not in kinds(resources)


def test_scaled_is_scaled_by_an_autoscaler_which_alone_sets_the_number(rendered: Render) -> None:
    resources = rendered("scaled")
    autoscaler = only(resources, "HorizontalPodAutoscaler")["spec"]

    assert autoscaler["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": workload(resources)["metadata"]["name"],
    }
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 8)
    assert "replicas" not in workload(resources)["spec"]
    assert container(resources)["resources"]["requests"]["cpu"]  # or there is nothing to compare with


def test_clients_of_a_scaled_service_connect_anew_so_that_new_pods_get_their_share(rendered: Render) -> None:
    assert settings(rendered("scaled"))["CONNECTION_AGE_SECONDS"] == "1800"
    assert "CONNECTION_AGE_SECONDS" not in settings(rendered("defaults"))


def test_scaled_by_hand_has_the_number_that_was_given(rendered: Render) -> None:
    resources = rendered("scaled by hand")

    assert workload(resources)["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in kinds(resources)


def test_a_drain_of_nodes_takes_one_pod_at_a_time_and_any_that_does_not_serve(rendered: Render) -> None:
    budget = only(rendered("scaled"), "PodDisruptionBudget")["spec"]

    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert "PodDisruptionBudget" not in kinds(rendered("scaled without a budget"))


def test_pods_of_a_deployment_are_spread_over_zones_and_nodes(rendered: Render) -> None:
    resources = rendered("scaled")
    constraints = pod_spec(resources)["topologySpreadConstraints"]
    labels = workload(resources)["spec"]["template"]["metadata"]["labels"]

    assert [constraint["topologyKey"] for constraint in constraints] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    for constraint in constraints:
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()


def test_the_spread_can_be_chosen(rendered: Render) -> None:
    (constraint,) = pod_spec(rendered("scaled with everything"))["topologySpreadConstraints"]

    assert constraint["whenUnsatisfiable"] == "DoNotSchedule"


def test_what_was_asked_for_pods_is_there(rendered: Render) -> None:
    for case in ("placed by hand", "scaled with everything"):
        resources = rendered(case)
        spec = pod_spec(resources)
        assert container(resources)["image"] == f"registry.example.org/flowcept-service@sha256:{'ab' * 32}"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["priorityClassName"] == "important"
        assert spec["nodeSelector"] == {"disk": "nvme"}
        assert spec["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
        assert "nodeAffinity" in spec["affinity"]
        assert workload(resources)["spec"]["template"]["metadata"]["labels"]["team"] == "data"
        assert workload(resources)["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        assert container(resources)["envFrom"] == [{"configMapRef": {"name": "more"}}]
        assert mounts(resources)["/etc/authorities"]["configMap"] == {"name": "authorities"}
        assert only(resources, "ServiceAccount")["metadata"]["name"] == "provenance"


def test_numbers_of_settings_stay_as_they_were_given(rendered: Render) -> None:
    given = settings(rendered("placed by hand"))

    assert (given["MAX_UPLOADS"], given["KEEP_EVENTS_BYTES"], given["TAG_HIGH_CPU"]) == ("128", "17179869184", "none")
    assert (given["TRACE_ENDPOINT"], given["TRACE_RATIO"]) == ("http://collector.tracing:4317", "0.1")


def test_pods_can_listen_where_there_is_only_ipv6(rendered: Render) -> None:
    given = settings(rendered("ipv6"))

    assert [given[name] for name in ("LISTEN", "HEALTH_LISTEN", "HTTP_LISTEN")] == [
        "[::]:50051",
        "[::]:50052",
        "[::]:9464",
    ]


@pytest.mark.parametrize(
    ("release", "expected"),
    [("flowcept", "flowcept"), ("lab", "lab-flowcept"), ("my-flowcept", "my-flowcept"), ("a" * 53, "a" * 45)],
)
def test_resources_are_named_after_the_release(chart: Chart, release: str, expected: str) -> None:
    assert workload(chart.render({}, release=release))["metadata"]["name"] == expected


def test_two_releases_share_nothing_in_a_namespace(chart: Chart) -> None:
    first, second = (chart.render(ON_MONGODB, release=name) for name in ("one", "two"))
    names = [{(each["kind"], each["metadata"]["name"]) for each in resources} for resources in (first, second)]

    assert not names[0] & names[1]
    selector = of_kind(first, "Service")[0]["spec"]["selector"]
    other = workload(second)["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= other.items()
