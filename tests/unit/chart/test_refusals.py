"""What the schema of the values refuses, and that it says which value it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.helm import Chart, HelmRefusedError
from tests.unit.chart.cases import ON_MONGODB

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two pods on one embedded store": ({"replicaCount": 2}, "/replicaCount"),
    "no pod": ({"replicaCount": 0}, "/replicaCount"),
    "scaled without a database": ({"mode": "scaled"}, "/mongodb/existingSecret"),
    "a mode that there is not": ({"mode": "clustered"}, "/mode"),
    "an unknown value": ({"replicas": 1}, "'replicas' not allowed"),
    "an unknown value inside a group": ({"persistence": {"storageClass": "x"}}, "'storageClass' not allowed"),
    "a value without its group": ({"persistence": None}, "persistence"),
    "a wrong type": ({"drainSeconds": "soon"}, "/drainSeconds"),
    "a size that is none": ({"persistence": {"size": "large"}}, "/persistence/size"),
    "an access mode for many pods": ({"persistence": {"accessMode": "ReadWriteMany"}}, "/persistence/accessMode"),
    "a setting that has a value of its own": ({"settings": {"LISTEN": "[::]:1"}}, "LISTEN"),
    "a setting with its prefix in lower case": ({"settings": {"max_uploads": 1}}, "max_uploads"),
    "a setting that is a list": ({"settings": {"MAX_UPLOADS": [1]}}, "/settings/MAX_UPLOADS"),
    "an issuer without audience": ({"auth": {"oidc": {"issuer": "https://x.org"}}}, "/auth/oidc/audience"),
    "an issuer that is no URL": ({"auth": {"oidc": {"issuer": "x.org", "audience": "x"}}}, "/auth/oidc/issuer"),
    "insecure, with tokens": (
        {"auth": {"insecure": True, "tokens": {"existingSecret": "tokens"}}},
        "/auth/tokens/existingSecret",
    ),
    "client certificates without TLS": ({"tls": {"clientCa": {"existingSecret": "ca"}}}, "/tls/existingSecret"),
    "a secret's name that cannot be one": ({"tls": {"existingSecret": "My Secret"}}, "/tls/existingSecret"),
    "a route without gateways": ({"grpcRoute": {"enabled": True}}, "/grpcRoute/parentRefs"),
    "scraping a port that is closed": (
        {"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}},
        "/metrics/enabled",
    ),
    "more traces than calls": ({"tracing": {"ratio": 2}}, "/tracing/ratio"),
    "a port beyond the last": ({"service": {"port": 70000}}, "/service/port"),
    "an image's tag with spaces": ({"image": {"tag": "a b"}}, "/image/tag"),
    "more pods at least than at most": (
        {**ON_MONGODB, "autoscaling": {"minReplicas": 9}},
        "autoscaling.minReplicas (9) is more than autoscaling.maxReplicas (8)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(chart: Chart, case: str) -> None:
    values, named = REFUSED[case]

    with pytest.raises(HelmRefusedError) as refusal:
        chart.render(values)

    assert named in str(refusal.value)


def test_a_parent_chart_may_share_values(chart: Chart) -> None:
    assert chart.render({"global": {"anything": True}})
