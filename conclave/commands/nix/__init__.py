"""``conclave nix``: from a deployment graph to a NixOS flake, without a server. One module per command."""
