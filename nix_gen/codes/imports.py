"""Codes of the compose importer's notes. Pure data."""

from __future__ import annotations

from nix_gen.codes.facts import either, info, warning

IMPORT = {
    "connection-assumed": warning(
        "No file says who uses a server, so every service on its networks is taken to.",
        "Name the server in the environment of the services that use it.",
    ),
    "file-carried": info(
        "The text of a small file beside the compose file, or of a config, is part of the graph.",
        "Change it in the graph from now on.",
    ),
    "file-kept-out": info(
        "A mounted file beside the compose file stays out of the graph: it looks like a secret, or is long.",
        "Bring it to the host like a secret.",
    ),
    "file-not-read": warning(
        "A file that the compose file names was not read.", "Put it beside the file and import again."
    ),
    "file-to-bring": info(
        "A bind mount's source lay beside the compose file.", "Bring it to the named path on the host."
    ),
    "host-ports": warning(
        "A container in the network of its host names no port, so the firewall opens none.",
        "Name its ports under `ports`.",
    ),
    "host-reached": warning(
        "A container reaches its host, whose firewall lets nothing through.",
        "Open the port on the host, or model the program as a node.",
    ),
    "image-decided": warning(
        "An unset variable left an image reference incomplete; the rest of it is used.", "Set the variable."
    ),
    "image-to-build": info(
        "The image is built from sources.", "Build and load it on the host, or name a published image."
    ),
    "kept-as-container": info(
        "An image that looks like a program with a native module stays a container.",
        "Nothing, or write a graph.",
    ),
    "network-outside": warning(
        "A network belongs to another project.",
        "Bring both projects into one graph.",
    ),
    "not-carried-over": either(
        "Something the compose file says has no place in the graph.", "Say it on the host if it matters."
    ),
    "port-decided": either("The compose file leaves a port open.", "Write the port."),
    "profile-not-enabled": warning(
        "A service runs only with a profile and is left out.", "Set `COMPOSE_PROFILES` in `.env`."
    ),
    "renamed": info("A name was no valid id; the node has another.", "Nothing."),
    "secret-reference": either(
        "A value that is a secret became a reference; the graph does not hold it.",
        "Provide the secret under this name on the host.",
    ),
    "tag-applied": info(
        "`!reset` or `!override` was applied within one file.", "Merge override files first."
    ),
    "unset-variable": warning("A variable has no value.", "Set it in `.env` beside the file."),
    "version-differs": warning(
        "A native service runs another version than the image had.",
        "Try the upgrade on a copy of the data.",
    ),
}
"""Codes of the compose importer's notes."""
