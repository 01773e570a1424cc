# Stands in for agenix where there is no network: the options of its module that generated hosts set.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  outputs = { nixpkgs, ... }: {
    nixosModules.default = { lib, config, ... }:
      let
        inherit (lib) mkOption types;
      in
      {
        options.age.secrets = mkOption {
          default = { };
          type = types.attrsOf (
            types.submodule {
              options = {
                file = mkOption { type = types.path; };
                mode = mkOption { type = types.str; default = "0400"; };
                owner = mkOption { type = types.str; default = "0"; };
              };
            }
          );
        };
      };
  };
}
