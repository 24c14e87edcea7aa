# syntax=docker/dockerfile:1
# The service and the client's commands, on a slim Python. See docs/operating.md, "The image".
#
#   docker build --tag flowcept-service .
#
# For a build that is the same byte for byte next year, name the base by its digest too:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:... .

# The Python that the tests run on.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# A mirror of PyPI may be given as a build argument; the hashes hold for it too.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

COPY constraints.txt ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --quiet --only-binary :all: --constraint constraints.txt hatchling

# Without pip: the environment is what the service needs, and nothing that could change it. First the packages, by
# hash, so that a change of our own code does not install them again.
COPY service/image/requirements.lock service/image/
RUN python -m venv --without-pip /opt/flowcept \
    && /opt/build/bin/pip --python /opt/flowcept/bin/python install --quiet --no-compile \
        --no-deps --only-binary :all: --require-hashes --requirement service/image/requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY client/ client/
COPY service/ service/
# Compiled here, since the root file system is read-only where it runs; by content, not by time, so that two builds
# have the same files.
RUN /opt/build/bin/hatchling build --target wheel --directory /opt/dist \
    && /opt/build/bin/pip --python /opt/flowcept/bin/python install --quiet --no-compile --no-deps /opt/dist/*.whl \
    && /opt/flowcept/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/flowcept/lib \
    && mkdir /opt/data


# Nothing runs in the stage that is shipped: it is the base and two directories.
FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="flowcept-service" \
      org.opencontainers.image.description="Workflow provenance and versioned blobs as a gRPC service" \
      org.opencontainers.image.documentation="docs/operating.md" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /opt/flowcept /opt/flowcept
COPY --from=build --chown=10001:10001 /opt/data /var/lib/flowcept

# glibc is told to keep the memory of freed chunks, the largest single lever on transfer speed; the service says the
# same by itself (server/allocator.py), but only once it runs.
ENV PATH=/opt/flowcept/bin:$PATH \
    HOME=/var/lib/flowcept \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=33554432 \
    MALLOC_TRIM_THRESHOLD_=67108864 \
    MALLOC_ARENA_MAX=2 \
    FLOWCEPT_SERVICE_LISTEN=0.0.0.0:50051 \
    FLOWCEPT_SERVICE_HEALTH_LISTEN=0.0.0.0:50052 \
    FLOWCEPT_SERVICE_DATA_DIR=/var/lib/flowcept/data

# By number, so that Kubernetes can see that it is not root; any other number works as well.
USER 10001:10001
WORKDIR /var/lib/flowcept
VOLUME /var/lib/flowcept
EXPOSE 50051 50052
STOPSIGNAL SIGTERM
# In plain text on a port of its own, so that it works whether or not clients need TLS and tokens.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["flowcept", "--target", "127.0.0.1:50052", "health"]
ENTRYPOINT ["flowcept-service"]
CMD ["serve"]
