"""Codes of the translation: what cannot, or will not, be done on the machines as the graph says. Pure data.

Translation also raises codes of the rules (`port-clash`, `reserved-name`, `unknown-virtual-host`), where it
sees more than they do.
"""

from __future__ import annotations

from nix_gen.codes.facts import error, info, warning

TRANSLATION = {
    "alias-not-used": warning(
        "An alias or hostname is no name that a hosts file can hold.", "Use letters, digits, `-` and `.`."
    ),
    "backup-beside": info(
        "A backup lies on the host whose data it copies, and is lost with it.",
        "Name an nfs or s3 storage of elsewhere in `to`.",
    ),
    "backup-by-hand": warning(
        "A database has a backup, and runs in a way from which no copy can be taken.", "Copy it yourself."
    ),
    "backup-of-live-data": warning(
        "A storage with a `backup` holds the data of a database, which changes while it is copied.",
        "Put `backup` on the database.",
    ),
    "backup-target": error(
        "A backup goes to a node that is no storage its host can reach.",
        "Name a storage of the same host, or an nfs or s3 storage.",
    ),
    "bad-save": warning(
        "The setting `save` of a redis is not pairs of seconds and changes, and is not used.",
        "Write it as redis does: `900 1 300 10`.",
    ),
    "bad-setting": error(
        "A setting is no name that its program has a place for.", "Write it as the finding says."
    ),
    "bad-subpath": error("The subpath of a mount leaves its storage.", "Name a path inside the storage."),
    "block-without-device": error("A block storage names no device.", "Set `device`."),
    "bucket-outside": warning(
        "A bucket is used that lies outside the graph: nothing is made of it.", "See that it exists."
    ),
    "bucket-without-credentials": error(
        "An S3 storage is served or mounted, and names no keys.", "Name the secret as its `credentials`."
    ),
    "bus-open": warning(
        "A message bus lets in whoever reaches its port; the firewall alone decides who does.",
        "NATS: give all its clients an `nkey`. Kafka: keep to it programs that trust each other.",
    ),
    "bus-without-users": warning(
        "A RabbitMQ has clients and no users; its guest is let in from its own host only.",
        "Name `users` with their passwords.",
    ),
    "data-directory-twice": error(
        "Two native servers would keep their data in one directory, or one inside the other's.",
        "Give each mount a `subpath` of its own.",
    ),
    "database-open": error(
        "A PostgreSQL runs as a container, whose image would let in whoever reaches it.",
        "Name a secret as the password of its first user.",
    ),
    "export-for-database": error(
        "A server keeps its data in an nfs storage of a host of the graph, where it cannot own its files.",
        "Use local or block storage.",
    ),
    "file-database-elsewhere": error(
        "A database that is a file (sqlite) is used from another host.",
        "Place both on one host, or use a database server.",
    ),
    "first-user-only": warning(
        "The image of a database makes one user, and the node has several.", "Make the others yourself."
    ),
    "host-without-address": error(
        "An edge leads between two hosts, and one of them has no address that serves.",
        "Give the host an (IPv4) address.",
    ),
    "internal-network-only": error(
        "A container is in internal networks alone, and is published or linked with another host.",
        "Put it into one more network, which is not internal.",
    ),
    "manages-elsewhere": warning(
        "A node manages one of another host, where it gets no right.",
        "Place an agent on that host, and let the two talk over their message bus.",
    ),
    "manages-from-container": warning(
        "A node manages another from within a container, from which no unit of the host can be started.",
        "Let it run as a package or a command.",
    ),
    "nfs-without-export": error("An nfs storage names no server or no path.", "Set `server` and `path`."),
    "no-administrator": error(
        "A MongoDB has users, and none of them is a superuser with a password: nobody could make them.",
        "Add a user with `superuser` and `password`.",
    ),
    "no-form": error(
        "Neither a native module nor an image is there for a node.",
        "Give the node an image, or model it as a service.",
    ),
    "no-logs": warning(
        "A loki watches a node that has no unit to write a log.", "Remove the edge, or watch the host."
    ),
    "no-metrics": warning(
        "A prometheus watches a node that tells no metrics nix_gen knows of: it is not asked.",
        "Set `port` on the edge, and `path` if it is not `/metrics`.",
    ),
    "no-port": error("A `load_balances` edge has no port to lead to.", "Set `port` on the edge."),
    "not-used": warning(
        "A native node has settings that only a container could take.", "Say it in the module's own settings."
    ),
    "nothing-to-manage": warning(
        "A node manages a storage or a host, which has no unit to start or stop.",
        "Let it manage the nodes that run there.",
    ),
    "one-object-server": error(
        "Two S3 storages of a host differ in port, path or credentials, and a host has one S3 server.",
        "Give both the same, or place them on different hosts.",
    ),
    "owner-by-name": info(
        "Containers write a directory as a user whose number is not known: the group of services shares it.",
        "Give user and group as numbers.",
    ),
    "published-once": warning(
        "Of several replicas only the first has the published ports.", "Put a load balancer before them."
    ),
    "replicas-in-turn": warning(
        "Replicas of a container on another host answer a prometheus in turn, under one name.",
        "Place the prometheus beside them, or make the replicas nodes of their own.",
    ),
    "replication-by-hand": warning(
        "A storage is to follow another, and nothing copies the one to the other as it changes.",
        "Give it a `backup`, or let the servers of the two do it.",
    ),
    "scrape-by-hand": warning(
        "A monitoring program runs as a container: the connection is opened, the configuration is its own.",
        "Name the target there, as the finding says, or let it be a native one.",
    ),
    "secret-unreadable": warning(
        "A container's user may not be able to read a secret: its number is not known, or there are two.",
        "Give the user as a number; give each user a secret of its own.",
    ),
    "settings-not-used": warning(
        "A server that runs as a container takes no settings from the graph.",
        "Give the container its own configuration.",
    ),
    "storage-elsewhere": error(
        "A node mounts local storage of another host.", "Place both on one host, or use nfs."
    ),
    "storage-not-used": warning(
        "A native program mounts a storage, and its module keeps no data there.",
        "Remove the edge, or let the node run as a container.",
    ),
    "subjects-not-enforced": warning(
        "A Kafka or RabbitMQ does not hold a client to the subjects of its edge.",
        "Add permissions to the bus yourself; NATS with nkeys holds clients to their subjects.",
    ),
    "subjects-open": warning(
        "A client of a NATS bus may use every subject, those of other clients and their answers among them.",
        "Name the subjects on its `publishes_to` and `subscribes_to` edges.",
    ),
    "tls-without-certificate": warning(
        "A load balancer listens on port 443 and has no certificate: it is served without TLS.",
        "Set a certificate on the host.",
    ),
    "too-many-containers": error(
        "A host would have more than 60,000 containers.", "Spread them over more hosts."
    ),
    "unsafe-name": error(
        "The name of a user, database or server could be read as something else by the program that gets it.",
        "Use letters, digits, `_`, `-` and `.`.",
    ),
    "upstream-by-hand": warning(
        "A load balancer is a container with a configuration of its own, which does not name its upstreams.",
        "Name them there, or let it be a native one.",
    ),
    "user-clash": error(
        "A service runs as a user who is a person on its host.", "Let it run as a user of its own."
    ),
    "version-not-packaged": warning(
        "The version a node asks for is not packaged, and another one runs.", "As the finding says."
    ),
}
"""Codes of `lower`, beside those of the rules that it raises as well."""
