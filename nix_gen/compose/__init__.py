"""The docker-compose importer, written for the compose specification. Pure: a reader is injected."""
