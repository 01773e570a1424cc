"""Container images: full names, and the images of engines that have no native module here.

Pure. podman asks a list of registries for a short name and takes the first answer; a full name always
means one image, so docker's defaults are written out.
"""

from __future__ import annotations

from nix_gen.nodes import (
    Agent,
    BalancerEngine,
    BusEngine,
    Database,
    DatabaseEngine,
    LoadBalancer,
    MessageBus,
    Running,
    Service,
)

LOCAL_REGISTRY = "localhost"
_ENGINE_IMAGES = {
    DatabaseEngine.POSTGRESQL: "docker.io/library/postgres",
    DatabaseEngine.MYSQL: "docker.io/library/mysql",
    DatabaseEngine.MARIADB: "docker.io/library/mariadb",
    DatabaseEngine.REDIS: "docker.io/library/redis",
    DatabaseEngine.MONGODB: "docker.io/library/mongo",
    BusEngine.KAFKA: "docker.io/apache/kafka",
    BusEngine.NATS: "docker.io/library/nats",
    BusEngine.RABBITMQ: "docker.io/library/rabbitmq",
    BalancerEngine.NGINX: "docker.io/library/nginx",
    BalancerEngine.HAPROXY: "docker.io/library/haproxy",
}


_ENGINE_VERSIONS = {
    DatabaseEngine.POSTGRESQL: "17",
    DatabaseEngine.MYSQL: "8.4",
    DatabaseEngine.MARIADB: "11.4",
    DatabaseEngine.REDIS: "8",
    DatabaseEngine.MONGODB: "8",
    BusEngine.KAFKA: "4.0.0",
    BusEngine.NATS: "2",
    BusEngine.RABBITMQ: "4",
    BalancerEngine.NGINX: "1.28",
    BalancerEngine.HAPROXY: "3.2",
}
"""Tags of a node without a version: releases with long support, as of 2025; `latest` changes by itself."""


def full_image(image: str, default_registry: str = "docker.io") -> str:
    """An image reference with its registry: `postgres:16` is `docker.io/library/postgres:16`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == LOCAL_REGISTRY):
        return image
    if default_registry == "docker.io" and not slash:
        return f"docker.io/library/{image}"
    return f"{default_registry}/{image}"


def is_built(node: Running) -> bool:
    """Whether the image has to be built by the operator."""
    return isinstance(node, Service | Agent) and node.build is not None


def image_of(node: Running, project: str) -> str:
    """The image a container of this node runs."""
    if is_built(node):
        return full_image(node.image or f"{project}-{node.id}:latest", LOCAL_REGISTRY)
    if node.image is not None:
        return full_image(node.image)
    assert isinstance(node, Database | MessageBus | LoadBalancer), (
        "forms_of gives no container without an image"
    )
    return f"{_ENGINE_IMAGES[node.engine]}:{node.version or _ENGINE_VERSIONS[node.engine]}"
