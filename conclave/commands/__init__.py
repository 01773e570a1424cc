"""The commands, one module each; `conclave.cli` loads the one that is called."""
