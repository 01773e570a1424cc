"""Codes of the rules: what is wrong with the graph as it was written. Pure data."""

from __future__ import annotations

from nix_gen.codes.facts import error, info, warning

VALIDATION = {
    "address-of-no-interface": warning(
        "A host has fixed interfaces, and none of them has an address that others reach it at.",
        "Add it to `interfaces`, or remove it.",
    ),
    "address-twice": error("Two hosts have one address.", "Give each host addresses of its own."),
    "bad-subject": error(
        "A subject of an edge to NATS is none: an empty word, or a wildcard inside a word.",
        "Write words between dots; `*` stands for one word, `>` for all that follow.",
    ),
    "backup-with-hash": error(
        "A balancer of the engine nginx chooses by ip_hash and has a backup target.",
        "Use haproxy, or another algorithm.",
    ),
    "balancer-mode": error(
        "A load balancer in http mode stands before a database or message bus, or one in tcp mode has "
        "virtual hosts or paths.",
        "Set `mode` to tcp, or to http.",
    ),
    "balancer-without-upstream": error(
        "A load balancer has no `load_balances` edge.", "Add one to each node it stands before."
    ),
    "cannot-watch": warning(
        "A monitoring node watches what its engine knows nothing of.",
        "Watch what the finding says, or remove the edge.",
    ),
    "client-without-identity": error(
        "One client of a NATS bus has an `nkey`, so the bus lets in nobody without, and this one has none.",
        "Give every client of the bus an `nkey`, or none.",
    ),
    "cluster-differs": error(
        "Members of one cluster disagree about its name, TLS, cookie or numbers.",
        "Give all members the same `cluster`, and each its own `member`.",
    ),
    "container-options-unused": warning(
        "A node has container options and runs as a systemd service.",
        "Remove them, or give the node an image.",
    ),
    "cookie-missing": error(
        "A RabbitMQ cluster has no cookie, by which its members know each other.",
        "Name a secret as `cluster.cookie` of every member.",
    ),
    "cross-host-mount": error(
        "A node mounts local or block storage that stands on another host.",
        "Place both on one host, or use nfs or s3.",
    ),
    "dangling-edge": error("An edge names a node that does not exist.", "Add the node or remove the edge."),
    "database-without-volume": info(
        "A database mounts no storage; its data lies in the module's own directory.",
        "Add a storage node and a `mounts_volume` edge if the data must be moved or backed up.",
    ),
    "dependency-cycle": error(
        "Nodes wait for each other to start. One shortest cycle of each knot is named.",
        "Remove one `depends_on` edge of the cycle.",
    ),
    "device-to-bring": info(
        "A container needs a device of its host.",
        "See that the host has it, with its driver.",
    ),
    "duplicate-edge": warning("Two edges say exactly the same.", "Remove one."),
    "duplicate-virtual-host": error(
        "A load balancer has two virtual hosts, or aliases, of one name on one port.", "Keep one."
    ),
    "edge-pairing": error(
        "An edge joins kinds of node it cannot join.", "Use another edge kind, or other nodes."
    ),
    "engine-mismatch": error(
        "A node replicates one of another engine.", "Join nodes of the same kind and engine."
    ),
    "engine-socket": warning(
        "A container has the socket of the container engine, and so root on its host.",
        "Put a proxy that filters requests before it.",
    ),
    "engine-twice": warning(
        "Two nodes of a host need a NixOS module it has once; the later one runs as a container.",
        "Place them on different hosts, or use one node for both.",
    ),
    "exporter-elsewhere": error(
        "An exporter watches a node of another host.", "Place it on the host of what it watches."
    ),
    "exposed-database": warning(
        "A database or message bus is published on every address of its host.",
        "Publish it on 127.0.0.1 or not at all; edges open what nodes need.",
    ),
    "exposed-monitoring": warning(
        "A monitoring program without a login is published.",
        "Publish it on 127.0.0.1 or not at all; edges open what nodes need.",
    ),
    "host-namespace": warning(
        "A container shares a namespace of its host (network, pid, ipc, uts, userns, cgroup).",
        "Give it its own if the program runs with it.",
    ),
    "identity-twice": error(
        "Two clients of a NATS bus have one `nkey`, and are not one service on two hosts.",
        "Make a key of its own for each node.",
    ),
    "jetstream-off": error("An edge uses streams of a bus that keeps none.", "Set `jetstream` on the bus."),
    "missing-health-check": info(
        "A container has no health check, so nothing notices when it hangs.", "Add `health_check`."
    ),
    "mount-path-twice": error("A node mounts two things at one path.", "Use different paths."),
    "never-completes": warning(
        "A node waits for another to complete that runs for ever.",
        "Use the condition `started` or `healthy`, or set `restart` to `no` or `on-failure`.",
    ),
    "no-common-network": error(
        "An edge joins two containers of a host that share no network, or one that has none.",
        "Put both into one network, or remove the edge.",
    ),
    "no-health-check": warning(
        "A node waits for another to be healthy that states no health check (its image may have one).",
        "Add `health_check` to the target, or use the condition `started`.",
    ),
    "nobody-logs-in": warning(
        "A machine has an SSH server, which takes keys alone, and no admin has a key.",
        "Give it a user with `admin` and `keys`.",
    ),
    "password-missing": warning(
        "A database user or a published redis has no password.", "Name a secret as its `password`."
    ),
    "port-clash": error(
        "Two nodes of a host listen on, or publish, one port of one address.",
        "Give one of them another port.",
    ),
    "powerful-capability": warning(
        "A container has a capability that reaches beyond it (SYS_ADMIN, NET_ADMIN, ...).",
        "Drop it if the program runs without.",
    ),
    "privileged-container": warning(
        "A container runs privileged: whoever controls it controls the host.",
        "Name the capabilities and devices it needs.",
    ),
    "replica-circle": error(
        "Databases replicate each other in a circle, so none has data of its own.",
        "Remove one `replicates` edge of the circle.",
    ),
    "replica-inherits": warning(
        "A replica states databases or users; it has those of its primary.",
        "State them at the primary.",
    ),
    "replica-limit": error(
        "A lineage of replicas is longer, or a MongoDB set larger, than its engine serves.",
        "Replicate a server nearer to the origin; keep seven members.",
    ),
    "replica-not-native": error(
        "An end of a `replicates` edge between databases runs as a container, or is a file.",
        "Give it a host of its own, without mounts of files; or use a database server.",
    ),
    "replica-not-sync": error(
        "A primary cannot wait for this replica: it is a replica itself, or its engine does not wait.",
        "Use `async`, or replicate the origin.",
    ),
    "replica-of-two": error(
        "A database replicates several; it can follow one.",
        "Keep one `replicates` edge.",
    ),
    "replica-password": error(
        "A `replicates` edge names another secret than its primary or its set asks for.",
        "Leave `password` out, or name one secret at every edge of the set.",
    ),
    "replica-setting": error(
        "A replica has a setting lower than its primary, and would not start.",
        "Raise it, or leave it out: then it is the primary's.",
    ),
    "replica-version": error(
        "A replica runs, or may run, another version than its primary.",
        "Give both the same `version`.",
    ),
    "replicas-share-port": warning(
        "Several replicas of a node publish one host port.",
        "Publish through a load balancer instead, or use one replica.",
    ),
    "reserved-name": error(
        "The id means something else to NixOS: a unit of the system, or a name in every hosts file.",
        "Rename the node.",
    ),
    "secret-in-graph": warning(
        "A variable, argument, label, setting or file of a node looks like a secret, and everybody on its "
        "host can read the Nix store.",
        "Name a secret in its place (`secrets`, `password`), and change the one that was written down.",
    ),
    "self-edge": error("An edge leads from a node to itself.", "Remove it."),
    "sensitive-mount": warning(
        "A container can write to a directory that holds the host itself.",
        "Mount it read-only, or a folder inside it.",
    ),
    "setting-refused": error(
        "A setting would take from the generated machine what it rests on.",
        "Leave it out; the finding says what decides it.",
    ),
    "shows-nothing": warning(
        "A Grafana has no data source.", "Add a `monitors` edge to a prometheus or loki."
    ),
    "small-cluster": warning(
        "A message bus cluster has fewer than three members, or an even number: it cannot outlive a loss.",
        "Use three or five members.",
    ),
    "subjects-needed": error(
        "A client of a NATS bus may publish on any subject and pull from a stream; one excludes the other.",
        "Name the subjects it publishes on.",
    ),
    "tells-nobody": warning("An alertmanager has no receivers.", "Add `receivers`."),
    "unconfined-container": warning(
        "A container runs without seccomp, AppArmor, SELinux labels or masked paths.",
        "Remove the option, or write a profile.",
    ),
    "unknown-container": error(
        "A container shares a namespace of a node that does not exist, is none, or leads back to it.",
        "Name one other container of the same host.",
    ),
    "tls-not-possible": error(
        "The engine, or the ACME authority, cannot give a virtual host the certificate asked for.",
        "Write a full host name, or name certificate and key as the finding says.",
    ),
    "unknown-database": error(
        "A user owns a database that the node does not have.", "Add it to `databases`."
    ),
    "unknown-host": error("A node names a host that does not exist.", "Add a node of kind host."),
    "unknown-listen-port": error(
        "A `load_balances` edge names a port its source does not listen on.",
        "Name one of its `listen` ports.",
    ),
    "unknown-virtual-host": error(
        "A `load_balances` edge names a virtual host its source does not have.",
        "Add the virtual host or mend the name.",
    ),
    "unmounted-storage": info("Nothing mounts a storage node.", "Add a `mounts_volume` edge or remove it."),
    "unreachable-dependency": error(
        "A node connects to one on another host that listens on no port, or not on this one, "
        "or whose host has no address.",
        "Give the target the port, or its host an address.",
    ),
    "upstream-without-port": error(
        "A load balancer's edge names no port and its target listens on none.", "Set `port` on the edge."
    ),
    "watches-nothing": warning(
        "A prometheus, loki or blackbox exporter has no `monitors` edge.",
        "Add one for each thing it watches.",
    ),
    "virtual-ip-alone": warning(
        "A load balancer has a virtual address that no other shares.",
        "Name it on a balancer of another host.",
    ),
    "virtual-ip-clash": error(
        "Two load balancers share a virtual address on one host, under two router ids, or with one priority.",
        "Different hosts and priorities, and one router id.",
    ),
}
"""Codes of `validate`."""
