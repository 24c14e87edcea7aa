"""Who may come in, and how: tokens, OIDC, TLS, the network policy and the route."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from typing import Any

from tests.support.helm import Chart
from tests.unit.chart.resources import Resource, kinds, mounts, only, settings

Render = Callable[[str], list[Resource]]


def files(resources: list[Resource], path: str) -> tuple[str, list[str]]:
    """The secret that is mounted at a path, and the files that are there."""
    secret = mounts(resources)[path]["secret"]
    return secret["secretName"], [item["path"] for item in secret["items"]]


def test_without_a_word_about_authentication_the_chart_makes_a_token(rendered: Render) -> None:
    resources = rendered("defaults")
    secret = only(resources, "Secret")
    (entry,) = tomllib.loads(secret["stringData"]["tokens.toml"]).values()

    assert files(resources, "/etc/flowcept/tokens") == (secret["metadata"]["name"], ["tokens.toml"])
    assert settings(resources)["AUTH_TOKENS_FILE"] == "/etc/flowcept/tokens/tokens.toml"
    assert entry == {
        "sha256": hashlib.sha256(secret["stringData"]["token"].encode()).hexdigest(),
        "scopes": ["read", "publish", "write", "admin"],
    }


def test_no_two_releases_get_the_same_token(chart: Chart) -> None:
    first, second = (only(chart.render({}), "Secret")["stringData"]["token"] for _ in range(2))

    assert first != second
    assert len(first) >= 43


def test_given_tokens_are_mounted_and_none_is_made(rendered: Render) -> None:
    resources = rendered("given tokens")

    assert files(resources, "/etc/flowcept/tokens") == ("tokens", ["who.toml"])
    assert settings(resources)["AUTH_TOKENS_FILE"] == "/etc/flowcept/tokens/who.toml"
    assert "Secret" not in kinds(resources)


def test_oidc_is_told_to_the_service(rendered: Render) -> None:
    given = settings(rendered("oidc"))

    assert given["AUTH_OIDC_ISSUER"] == "https://login.example.org/realms/science"
    assert given["AUTH_OIDC_AUDIENCE"] == "flowcept"
    assert given["AUTH_OIDC_JWKS_URL"] == "https://keys.example.org:8443/jwks.json"
    assert "AUTH_TOKENS_FILE" not in given
    assert "Secret" not in kinds(rendered("oidc"))


def test_insecure_means_no_token_at_all(rendered: Render) -> None:
    resources = rendered("insecure")

    assert settings(resources)["INSECURE"] == "true"
    assert "AUTH_TOKENS_FILE" not in settings(resources)
    assert "Secret" not in kinds(resources)


def test_with_tls_and_authentication_the_service_is_not_told_to_be_insecure(rendered: Render) -> None:
    resources = rendered("tls")
    given = settings(resources)

    assert "INSECURE" not in given
    assert files(resources, "/etc/flowcept/tls") == ("flowcept-tls", ["tls.crt", "tls.key"])
    assert given["TLS_CERT_FILE"] == "/etc/flowcept/tls/tls.crt"
    assert given["TLS_KEY_FILE"] == "/etc/flowcept/tls/tls.key"
    assert "TLS_CLIENT_CA_FILE" not in given


def test_client_certificates_are_checked_against_the_given_authorities(rendered: Render) -> None:
    resources = rendered("mutual tls")

    assert files(resources, "/etc/flowcept/client-ca") == ("clients", ["clients.pem"])
    assert settings(resources)["TLS_CLIENT_CA_FILE"] == "/etc/flowcept/client-ca/clients.pem"
    assert "INSECURE" not in settings(resources)


def policy(resources: list[Resource]) -> dict[str, Any]:
    spec: dict[str, Any] = only(resources, "NetworkPolicy")["spec"]
    return spec


def ports(rules: list[dict[str, Any]]) -> set[Any]:
    return {port["port"] for rule in rules for port in rule.get("ports", ())}


def test_only_the_service_s_ports_are_open(rendered: Render) -> None:
    assert ports(policy(rendered("defaults"))["ingress"]) == {"grpc", "health", "http"}
    assert ports(policy(rendered("unwatched"))["ingress"]) == {"grpc", "health"}


def test_pods_reach_names_and_what_is_configured_and_nothing_else(rendered: Render) -> None:
    for case, expected in {
        "defaults": {53},
        "scaled": {53, 27017},
        "a copy in mongodb": {53, 27017},
        "oidc": {53, 443, 8443},
        "placed by hand": {53, 4317},
        "scaled with everything": {53, 27017, 27018, 443, 8443, 4317},
    }.items():
        spec = policy(rendered(case))
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert ports(spec["egress"]) == expected, case


def test_peers_can_be_named_and_the_chart_s_own_test_still_gets_in(rendered: Render) -> None:
    resources = rendered("a network policy with peers")
    calls, watching = policy(resources)["ingress"]
    test_labels = only(resources, "Pod")["metadata"]["labels"]

    assert calls["from"][0] == {"namespaceSelector": {"matchLabels": {"team": "data"}}}
    assert calls["from"][1]["podSelector"]["matchLabels"].items() <= test_labels.items()
    assert watching["from"] == [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    assert policy(resources)["egress"][-1] == {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


def test_the_network_policy_can_be_left_to_others(rendered: Render) -> None:
    assert "NetworkPolicy" not in kinds(rendered("no network policy"))


def test_the_route_leads_to_the_service(rendered: Render) -> None:
    route = only(rendered("a route"), "GRPCRoute")

    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"]["annotations"] == {"owner": "data"}
    assert route["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": ["flowcept.example.org"],
        "rules": [{"backendRefs": [{"name": "lab-flowcept", "port": 50051}]}],
    }
    assert "GRPCRoute" not in kinds(rendered("defaults"))
