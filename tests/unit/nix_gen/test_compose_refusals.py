"""What compose refuses is refused, with its line; what only docker's command line reads is named."""

# ruff: noqa: E501 - a message is one line
import pytest

from nix_gen import GraphFileError, loads


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "servics: {}\nservices: {web: {image: a}}",
            (
                "shop.yaml:1: has the key 'servics', which compose does not know; did you mean 'services'? "
                "remove it or mend its name"
            ),
        ),
        (
            "services:\n  web:\n    image: a\n    prots: ['80:80']",
            (
                "shop.yaml:4: service 'web': has the key 'prots', which compose does not know; "
                "did you mean 'ports'? remove it or mend its name"
            ),
        ),
        (
            "services:\n  web: {image: a, healthcheck: {test: 5}}",
            (
                "shop.yaml:2: service 'web', healthcheck.test: is '5', where a command or a list of its words is "
                "needed; write a command or a list of its words"
            ),
        ),
        (
            "services:\n  web: {image: a, user: 1000}",
            "shop.yaml:2: service 'web', user: is '1000', where text is needed; write text",
        ),
        (
            "services:\n  web: {image: a, ports: 80}",
            "shop.yaml:2: service 'web', ports: is '80', where a list is needed; write a list",
        ),
        (
            "services:\n  web: {image: a, environment: A=b}",
            (
                "shop.yaml:2: service 'web', environment: is 'A=b', where a list or a mapping is needed; "
                "write a list or a mapping"
            ),
        ),
        (
            "include: [gone.yaml]\nservices: {web: {image: a}}",
            (
                "shop.yaml:1: include: names the file 'gone.yaml', which cannot be read; "
                "put it beside this file, or remove it"
            ),
        ),
    ],
)
def test_what_compose_refuses_is_refused(text: str, said: str) -> None:
    with pytest.raises(GraphFileError) as caught:
        loads(text, file="shop.yaml", reader=lambda _: None)
    assert str(caught.value) == said


def test_keys_of_anybody_are_passed_over() -> None:
    loaded = loads("x-a: 1\nservices: {web: {image: a, x-b: 2}}", file="shop.yaml")
    assert loaded.notes == ()


@pytest.mark.parametrize("name", ["../other.yaml", "/srv/other.yaml", "https://example.org/x.git"])
def test_an_included_file_outside_the_folder_may_exist(name: str) -> None:
    loaded = loads(f"include: ['{name}']\nservices: {{web: {{image: a}}}}", reader=lambda _: None)
    assert [note.code for note in loaded.notes] == ["file-not-read"]


def test_a_text_without_a_folder_misses_no_file() -> None:
    loaded = loads("include: [other.yaml]\nservices: {web: {image: a}}")
    assert [note.code for note in loaded.notes] == ["file-not-read"]


def test_files_named_in_the_environment_are_said_not_to_be_read() -> None:
    environment = {"COMPOSE_FILE": "a.yaml:b.yaml"}
    loaded = loads("services: {web: {image: a}}", file="shop.yaml", environment=environment)
    (note,) = loaded.notes
    assert str(note) == (
        "warning not-carried-over: shop: COMPOSE_FILE in the environment or .env is not carried over; "
        "name its files as overrides: 'conclave nix import FILE --override FILE'"
    )


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (
            "{image: postgres, environment: {POSTGRES_HOST_AUTH_METHOD: trust}}",
            "POSTGRES_HOST_AUTH_METHOD=trust lets users in as the native service would not",
        ),
        (
            "{image: mysql, environment: {MYSQL_ALLOW_EMPTY_PASSWORD: 'yes'}}",
            "MYSQL_ALLOW_EMPTY_PASSWORD lets root in without a password, and the native service would not",
        ),
        ("{image: postgres, environment: {POSTGRES_HOST_AUTH_METHOD: '', POSTGRES_PASSWORD: x}}", ""),
        ("{image: postgres, environment: {POSTGRES_HOST_AUTH_METHOD: md5, POSTGRES_PASSWORD: x}}", ""),
        ("{image: mysql, environment: {MYSQL_ALLOW_EMPTY_PASSWORD: '1', MYSQL_ROOT_PASSWORD: x}}", ""),
        ("{image: grafana/grafana, environment: {GF_INSTALL_PLUGINS: ''}}", ""),
        ("{image: postgres, environment: {POSTGRESQL_MASTER_HOST: '', POSTGRES_USER_FILE: ''}}", ""),
    ],
)
def test_a_server_without_passwords_stays_a_container_and_empty_values_say_nothing(
    service: str, reason: str
) -> None:
    loaded = loads(f"services: {{x: {service}}}", file="shop.yaml")
    said = [note.message.partition("stays a container: ")[2] for note in loaded.notes]
    assert "".join(said) == reason
