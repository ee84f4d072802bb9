import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prefect.settings.models.root import Settings
from prefect_redis.client import RedisMessagingSettings
from pydantic import BaseModel

from blocks.s3 import S3Store
from deployments.storage import VARIABLES, install_storage
from sakuga.errors import OptionError
from tests.deployments.production import COMPOSE, EXAMPLE, SECRETS, VARIABLE, compose

FOLDER = COMPOSE.parent
DOCKERFILES = sorted((FOLDER / "docker").glob("*.Dockerfile"))
HELM = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((FOLDER / "helm").glob("*.yaml"))}
DISTRIBUTED = {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_DOCKET_URL",
    "PREFECT_SERVER_EVENTS_MESSAGING_BROKER",
    "PREFECT_SERVER_EVENTS_MESSAGING_CACHE",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START",
}
"""What a server in several processes goes wrong without."""


def known_settings(model: type[BaseModel]) -> Iterator[str]:
    """Names of all environment variables that a settings model reads."""
    prefix = str(model.model_config.get("env_prefix", ""))
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        models = [kind for kind in inner if issubclass(kind, BaseModel)]
        if models:
            yield from known_settings(models[0])
        else:
            yield f"{prefix}{name}".upper()
            yield from (str(choice).upper() for choice in getattr(field.validation_alias, "choices", ()))


def variables(values: object) -> Iterator[dict[str, Any]]:
    """Every `name: ..., value: ...` of Helm values."""
    if isinstance(values, dict):
        if str(values.get("name", "")).startswith("PREFECT_"):
            yield values
        for value in values.values():
            yield from variables(value)
    elif isinstance(values, list):
        for value in values:
            yield from variables(value)


def run(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def test_compose_has_the_form_of_the_compose_specification() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_a_dockerfile_has_nothing_that_hadolint_minds(dockerfile: Path) -> None:
    run(tool("hadolint"), dockerfile)


def test_the_yaml_is_well_formed() -> None:
    rules = "{extends: default, rules: {line-length: {max: 150}, document-start: disable}}"
    files = [COMPOSE, *(FOLDER / "helm").glob("*.yaml")]
    run(tool("yamllint"), "--strict", "-d", rules, *files)


def test_docker_compose_reads_the_file_where_it_is_installed(tmp_path: Path) -> None:
    command = ["docker", "compose"]
    plugin = (
        shutil.which("docker")
        and not subprocess.run(
            [*command, "version"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        ).returncode
    )
    if not plugin:
        if not shutil.which("docker-compose"):
            pytest.skip("docker compose is not installed")
        command = ["docker-compose"]
    secrets = tmp_path / ".env"
    secrets.write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    run(*command, "--env-file", secrets, "-f", COMPOSE, "config", "--quiet")


def test_every_secret_of_compose_is_in_the_example_and_has_no_value_there() -> None:
    named = {match[1]: match[2] for match in VARIABLE.finditer(COMPOSE.read_text())}
    example = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert {name for name, kind in named.items() if kind == "?"} == set(SECRETS)
    assert set(named) <= set(example)
    assert [name for name in SECRETS if example[name]] == []


def test_without_its_secrets_compose_is_refused() -> None:
    with pytest.raises(AssertionError, match="has no value"):
        compose({})


def test_compose_sets_nothing_that_prefect_does_not_know() -> None:
    known = {*known_settings(Settings), *known_settings(RedisMessagingSettings)}
    set_there = {
        name
        for service in compose()["services"].values()
        for name in service.get("environment", {})
        if name.startswith("PREFECT_")
    }
    assert set_there - known == set()


def test_the_processes_of_the_server_are_told_the_same() -> None:
    services = compose()["services"]
    given = [services[name]["environment"] for name in ("migrate", "server", "services")]
    assert given[0] == given[1] == given[2]
    assert set(given[0]) >= DISTRIBUTED
    # a broker and a docket that live in one process's memory are not shared
    assert [value for value in given[0].values() if "memory" in str(value)] == []


def test_every_image_has_a_version_and_prefects_is_the_one_that_is_tested() -> None:
    images = {service["image"] for service in compose()["services"].values()}
    assert [image for image in images if not re.search(r":[\w.-]*\d[\w.-]*$", image)] == []
    assert f"sakuga-server:{version('prefect')}" in images
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]["version"]
    ours = {image for image in images if image.startswith("sakuga-worker")}
    assert ours == {f"sakuga-worker-cpu:{project}", f"sakuga-worker-gpu:{project}"}
    server = (FOLDER / "docker" / "server.Dockerfile").read_text()
    assert f"FROM prefecthq/prefect:{version('prefect')}-python3.11" in server
    assert f"prefect-redis=={version('prefect-redis')}" in server


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_pinned_and_does_not_run_as_root(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["1001"]
    assert text.count("pip install") == text.count("--constraint constraints.txt")
    assert "latest" not in text
    assert re.search(r"https?://|--index|--extra-index", text) is None


def test_everything_that_stays_up_is_started_again_and_watched() -> None:
    services = compose()["services"]
    assert {service["restart"] for service in services.values()} == {"unless-stopped", "on-failure"}
    once = {name for name, service in services.items() if service["restart"] == "on-failure"}
    assert once == {"migrate", "install"}
    unwatched = {name for name in services if name not in once and "healthcheck" not in services[name]}
    # the services listen to nothing that could be asked
    assert unwatched == {"services"}


def test_the_gpu_worker_has_a_gpu_and_one_run_at_a_time() -> None:
    worker = compose()["services"]["worker-gpu"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert worker["command"][-4:] == ["--pool", "gpu", "--limit", "1"]


def test_helm_gives_the_server_what_compose_gives_it() -> None:
    server = {entry["name"]: entry for entry in variables(HELM["prefect-server"]["global"])}
    theirs = compose()["services"]["server"]["environment"]
    same = ("BROKER", "CACHE", "ORDERING", "LEASE_STORAGE", "CSRF_PROTECTION_ENABLED", "ANALYTICS_ENABLED")
    for name in (name for name in theirs if name.endswith(same)):
        assert server[name]["value"] == theirs[name], name
    for name in ("PREFECT_SERVER_DOCKET_URL", "PREFECT_REDIS_MESSAGING_URL"):
        assert server[name]["valueFrom"]["secretKeyRef"]["name"] == "sakuga-redis"


def test_helm_values_name_secrets_and_hold_none() -> None:
    held = [
        entry["name"]
        for values in HELM.values()
        for entry in variables(values)
        if re.search("AUTH_STRING|PASSWORD|_URL$|KEY", entry["name"]) and "value" in entry
    ]
    assert held == []
    server = HELM["prefect-server"]
    assert server["server"]["basicAuth"] == {"enabled": True, "existingSecret": "sakuga-prefect-auth"}
    assert server["secret"] == {"create": False, "name": "sakuga-postgres"}


def test_helm_runs_the_version_that_is_tested() -> None:
    assert HELM["prefect-server"]["global"]["prefect"]["image"]["prefectTag"] == version("prefect")


def test_the_gpu_worker_of_helm_has_the_template_of_the_pool() -> None:
    config = HELM["prefect-worker-gpu"]["worker"]["config"]
    assert config["workPool"] == "gpu"
    # the template is in a config map that is made from the file itself, so that there is one of it
    assert config["baseJobTemplate"]["existingConfigMapName"] == "sakuga-gpu-template"
    assert json.loads((FOLDER / "templates" / "kubernetes-gpu.json").read_text())


@pytest.mark.usefixtures("prefect_server")
def test_the_bucket_and_its_block_are_made_and_made_again(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = (s3_endpoint, "farm-media", "access", "secretofstorage")
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert install_storage() == install_storage() == "sakuga-s3-store/farm"
    (tmp_path / "clip").write_bytes(b"frames")
    store = S3Store.load("farm")
    assert isinstance(store, S3Store)
    ref = store.put(tmp_path / "clip", "sources/clip")
    assert ref.size == len(b"frames")


def test_storage_that_nobody_named_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OptionError, match="STORAGE_ENDPOINT"):
        install_storage()
