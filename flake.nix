{
  description = "Conclave: coordination for many agents over NATS, and approved deployment graphs as NixOS flakes";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs, ... }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem =
        make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      # `nix run . -- up`; on a host: `nixpkgs.overlays = [ conclave.overlays.default ]`.
      packages = forEachSystem (pkgs: rec {
        conclave = pkgs.callPackage ./nix/package.nix { };
        default = conclave;
      });
      overlays.default = final: _: { conclave = final.callPackage ./nix/package.nix { }; };

      # The services on NixOS: `services.conclave.enable = true`. docs/nix.md has a whole host.
      nixosModules = {
        conclave = {
          imports = [ ./nix/module.nix ];
          nixpkgs.overlays = [ self.overlays.default ];
        };
        default = self.nixosModules.conclave;
      };

      # `nix develop`, then `make demo` and `make test` as everywhere else.
      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.python312
            pkgs.gnumake
            pkgs.git
            pkgs.nats-server
            pkgs.natscli
          ];
        };
      });
    };
}
