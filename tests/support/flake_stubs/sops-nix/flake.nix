# Stands in for sops-nix where there is no network: the options of its module that generated hosts set.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  outputs = { nixpkgs, ... }: {
    nixosModules.sops = { lib, config, ... }:
      let
        inherit (lib) mkOption types;
      in
      {
        options.sops = {
          defaultSopsFile = mkOption { type = types.path; };
          secrets = mkOption {
            default = { };
            type = types.attrsOf (
              types.submodule {
                options = {
                  mode = mkOption { type = types.str; default = "0400"; };
                  owner = mkOption { type = types.nullOr types.str; default = null; };
                  uid = mkOption { type = types.nullOr types.int; default = 0; };
                  restartUnits = mkOption { type = types.listOf types.str; default = [ ]; };
                };
              }
            );
          };
        };
      };
  };
}
