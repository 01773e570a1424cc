# `services.conclave`: Conclave's services on a NixOS host, each a hardened systemd unit of its own, and if
# wanted the nats-server they speak through. Run the same services on a second host and they stand by there.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.conclave;
  known = [
    "registry"
    "tasks"
    "dialog"
    "consensus"
    "knowledge"
    "artifacts"
    "gateway"
  ];
  hardened = {
    AmbientCapabilities = "";
    CapabilityBoundingSet = "";
    DynamicUser = true;
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallFilter = [
      "@system-service"
      "~@privileged"
    ];
    UMask = "0077";
  };
  service = name: {
    name = "conclave-${name}";
    value = {
      description = "Conclave: ${name}";
      after = [ "network-online.target" ] ++ lib.optional cfg.server.enable "conclave-nats.service";
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      environment.CONCLAVE_CREDENTIALS = "%d";
      serviceConfig = hardened // {
        ExecStart = lib.escapeShellArgs [
          (lib.getExe cfg.package)
          "serve"
          name
          "--nats"
          cfg.url
          "--prefix"
          cfg.prefix
          "--replicas"
          (toString cfg.replicas)
        ];
        LoadCredential = [ "${name}.nk:${cfg.credentialsDirectory}/${name}.nk" ];
        Restart = "always";
        RestartSec = 2;
      };
    };
  };
  # `sync_interval: always`: what the services acknowledge is on disk. `js_ack_fc_v2` and the pings are
  # what `conclave up` sets; docs/adr/0003 and 0004 say why.
  serverConfiguration = builtins.toFile "conclave-nats.conf" ''
    server_name: ${builtins.toJSON cfg.server.name}
    listen: ${builtins.toJSON "${cfg.server.listen}:${toString cfg.server.port}"}
    max_payload: 1MB
    ping_interval: "5s"
    ping_max: 2
    jetstream {
      store_dir: "/var/lib/conclave-nats"
      sync_interval: always
    }
    ${lib.optionalString (cfg.server.cluster.routes != [ ]) ''
      cluster {
        name: ${builtins.toJSON cfg.server.cluster.name}
        listen: ${builtins.toJSON "${cfg.server.listen}:${toString cfg.server.cluster.port}"}
        routes: ${builtins.toJSON cfg.server.cluster.routes}
      }
    ''}
    ${lib.optionalString (lib.versionAtLeast (lib.getVersion cfg.server.package) "2.15") ''
      feature_flags { js_ack_fc_v2: false }
    ''}
    include "authorization.conf"
  '';
in
{
  options.services.conclave = {
    enable = lib.mkEnableOption "Conclave's coordination services for agents";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.conclave;
      defaultText = lib.literalExpression "pkgs.conclave";
      description = "The package; `overlays.default` of Conclave's flake puts it into `pkgs`.";
    };
    services = lib.mkOption {
      type = lib.types.listOf (lib.types.enum known);
      default = known;
      description = "Services of this host. On several hosts one of each kind leads and the others stand by.";
    };
    url = lib.mkOption {
      type = lib.types.str;
      default = "nats://127.0.0.1:4222";
      description = "The nats-server the services connect to.";
    };
    prefix = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9_-]+";
      default = "conclave";
      description = "First token of every subject.";
    };
    replicas = lib.mkOption {
      type = lib.types.ints.between 1 5;
      default = 1;
      description = "JetStream replicas of a journal that is made now: 3 on a cluster of three.";
    };
    credentialsDirectory = lib.mkOption {
      type = lib.types.str;
      example = "/run/secrets/conclave";
      description = ''
        Directory on the host with `NAME.nk` for each service of this host, readable by root only. `conclave
        agent add` makes them all; see docs/security.md.
      '';
    };
    server = {
      enable = lib.mkEnableOption "a nats-server for Conclave on this host";
      package = lib.mkOption {
        type = lib.types.package;
        default = cfg.package.nats-server or pkgs.nats-server;
        defaultText = lib.literalExpression "config.services.conclave.package.nats-server";
        description = "The nats-server to run. The default is the one that Conclave is tested with.";
      };
      name = lib.mkOption {
        type = lib.types.str;
        default = config.networking.hostName;
        defaultText = lib.literalExpression "config.networking.hostName";
        description = "Name of the server, another one on each host of a cluster.";
      };
      listen = lib.mkOption {
        type = lib.types.str;
        default = "127.0.0.1";
        description = "Address it listens on. Opens no firewall: that is for you to say, source by source.";
      };
      port = lib.mkOption {
        type = lib.types.port;
        default = 4222;
        description = "Port for clients.";
      };
      authorizationFile = lib.mkOption {
        type = lib.types.str;
        example = "/var/lib/conclave/authorization.conf";
        description = ''
          The `authorization.conf` of a Conclave store, on the host: users, public keys and permissions, no
          secrets. After a change of it: `systemctl reload conclave-nats`.
        '';
      };
      cluster = {
        name = lib.mkOption {
          type = lib.types.str;
          default = "conclave";
          description = "Name of the cluster.";
        };
        port = lib.mkOption {
          type = lib.types.port;
          default = 6222;
          description = "Port for the other servers.";
        };
        routes = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
          example = [ "nats://10.0.0.2:6222" ];
          description = "The other servers of the cluster. Empty: no cluster.";
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    systemd.services =
      lib.listToAttrs (map service cfg.services)
      // lib.optionalAttrs cfg.server.enable {
        conclave-nats = {
          description = "Conclave: nats-server";
          after = [ "network-online.target" ];
          wants = [ "network-online.target" ];
          wantedBy = [ "multi-user.target" ];
          # An `include` is found beside the file that names it.
          preStart = ''
            cp ${serverConfiguration} "$RUNTIME_DIRECTORY/nats-server.conf"
            cp "$CREDENTIALS_DIRECTORY/authorization.conf" "$RUNTIME_DIRECTORY/authorization.conf"
          '';
          serviceConfig = hardened // {
            ExecStart = "${lib.getExe cfg.server.package} --config \${RUNTIME_DIRECTORY}/nats-server.conf";
            # As root: what the server may read, it may not be the owner of.
            ExecReload = [
              "+${pkgs.coreutils}/bin/install -m 0444 ${cfg.server.authorizationFile} \${RUNTIME_DIRECTORY}/authorization.conf"
              "${pkgs.coreutils}/bin/kill -HUP $MAINPID"
            ];
            LimitNOFILE = 800000;
            LoadCredential = [ "authorization.conf:${cfg.server.authorizationFile}" ];
            Restart = "always";
            RestartSec = 2;
            RuntimeDirectory = "conclave-nats";
            StateDirectory = "conclave-nats";
          };
        };
      };
  };
}
