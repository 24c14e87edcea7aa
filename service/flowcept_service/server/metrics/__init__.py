"""What the service counts and measures, for Prometheus.

``definitions`` is the table of all metrics, ``registry`` keeps their values, and the other modules fill them: what
happens is told by the parts of the service through protocols of their own, and what can be looked up is looked up when
somebody asks. Only this package knows the Prometheus library.
"""
