"""Values that people would give the chart, by what they are after."""

from __future__ import annotations

from typing import Any, Final

ON_MONGODB: Final[dict[str, Any]] = {"mode": "scaled", "mongodb": {"existingSecret": "science-db"}}
WATCHED: Final[dict[str, Any]] = {
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "alertLabels": {"team": "data"}},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Science"}},
    }
}
MUTUAL_TLS: Final[dict[str, Any]] = {
    "tls": {"existingSecret": "flowcept-tls", "clientCa": {"existingSecret": "clients", "key": "clients.pem"}},
    "helmTest": {"clientCertificateSecret": "flowcept-client", "serverName": "flowcept.example.org"},
}
OIDC: Final[dict[str, Any]] = {
    "auth": {
        "oidc": {
            "issuer": "https://login.example.org/realms/science",
            "audience": "flowcept",
            "jwksUrl": "https://keys.example.org:8443/jwks.json",
        }
    }
}
PLACED: Final[dict[str, Any]] = {
    "nameOverride": "provenance",
    "commonLabels": {"cost-centre": "42"},
    "image": {"repository": "registry.example.org/flowcept-service", "digest": f"sha256:{'ab' * 32}"},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "important",
    "nodeSelector": {"disk": "nvme"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
            }
        }
    },
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "podLabels": {"team": "data"},
    "serviceAccount": {"create": True, "name": "provenance", "annotations": {"note": "none"}},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"lb": "internal"}},
    "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/authorities/ca.crt"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "extraVolumes": [{"name": "authorities", "configMap": {"name": "authorities"}}],
    "extraVolumeMounts": [{"name": "authorities", "mountPath": "/etc/authorities", "readOnly": True}],
    "settings": {"MAX_UPLOADS": 128, "KEEP_EVENTS_BYTES": 17179869184, "TAG_HIGH_CPU": "none"},
    "tracing": {"endpoint": "http://collector.tracing:4317", "ratio": 0.1},
}

CASES: Final[dict[str, dict[str, Any]]] = {
    "defaults": {},
    "without persistence": {"persistence": {"enabled": False}},
    "a claim that exists": {"persistence": {"existingClaim": "old-data"}},
    "a chosen volume": {
        "persistence": {
            "size": "2Ti",
            "storageClassName": "local-nvme",
            "accessMode": "ReadWriteOncePod",
            "annotations": {"backup": "daily"},
        }
    },
    "a copy in mongodb": {"mongodb": {"existingSecret": "science-db"}},
    "given tokens": {"auth": {"tokens": {"existingSecret": "tokens", "key": "who.toml"}}},
    "oidc": OIDC,
    "tls": {"tls": {"existingSecret": "flowcept-tls"}},
    "mutual tls": MUTUAL_TLS,
    "insecure": {"auth": {"insecure": True}},
    "placed by hand": PLACED,
    "watched": WATCHED,
    "unwatched": {"metrics": {"enabled": False}, "helmTest": {"enabled": False}},
    "no network policy": {"networkPolicy": {"enabled": False}},
    "a network policy with peers": {
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"team": "data"}}}],
            "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            "egress": {"enabled": True, "extra": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
        }
    },
    "a route": {
        "grpcRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["flowcept.example.org"],
            "annotations": {"owner": "data"},
        }
    },
    "ipv6": {"listenHost": "[::]"},
    "scaled": ON_MONGODB,
    "scaled by hand": {**ON_MONGODB, "autoscaling": {"enabled": False}, "replicaCount": 3},
    "scaled without a budget": {**ON_MONGODB, "podDisruptionBudget": {"enabled": False}},
    "scaled with everything": {
        **ON_MONGODB,
        **WATCHED,
        **MUTUAL_TLS,
        **OIDC,
        **PLACED,
        "mongodb": {
            "existingSecret": "science-db",
            "key": "connectionString.standardSrv",
            "ports": [27017, 27018],
        },
        "topologySpreadConstraints": [
            {"maxSkew": 2, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        ],
    },
}
