import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.schema_tools import is_valid_schema, validate
from prefect.utilities.templating import apply_values, find_placeholders
from prefect_docker.worker import DockerWorker, DockerWorkerJobConfiguration

FOLDER = Path(__file__).parents[2] / "deployments" / "templates"
TEMPLATES = ("docker-gpu", "kubernetes-gpu")


def template(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return read


def defaults(name: str) -> dict[str, Any]:
    variables = template(name)["variables"]["properties"]
    return {key: value["default"] for key, value in variables.items() if "default" in value}


def kubernetes_job() -> dict[str, Any]:
    read = template("kubernetes-gpu")
    job: dict[str, Any] = apply_values(read["job_configuration"], defaults("kubernetes-gpu"))["job_manifest"]
    return job


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_uses_the_variables_that_its_form_has(name: str) -> None:
    read = template(name)
    used = {placeholder.name for placeholder in find_placeholders(read["job_configuration"])}
    assert used == set(read["variables"]["properties"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_defaults_of_a_template_fit_its_form(name: str) -> None:
    schema = template(name)["variables"]
    is_valid_schema(schema)
    assert validate(defaults(name), schema, raise_on_error=False) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_field_of_a_form_says_what_it_is(name: str) -> None:
    fields = template(name)["variables"]["properties"].values()
    assert [
        field for field in fields if not field.get("title") or not field["description"].endswith(".")
    ] == []


def test_a_template_has_what_prefects_docker_worker_has() -> None:
    theirs = DockerWorker.get_default_base_job_template()["job_configuration"]
    assert set(theirs) == set(template("docker-gpu")["job_configuration"])


async def configuration(values: dict[str, Any]) -> DockerWorkerJobConfiguration:
    read = template("docker-gpu")
    return await DockerWorkerJobConfiguration.from_template_and_values(read, values)


@pytest.mark.usefixtures("prefect_server")
def test_a_container_of_the_docker_worker_gets_its_gpu() -> None:
    job = asyncio.run(configuration({"gpus": ["2"], "command": "prefect flow-run execute"}))
    settings = job.container_create_kwargs
    assert settings
    assert settings["device_requests"] == [
        {"driver": "nvidia", "device_ids": ["2"], "capabilities": [["gpu"]]}
    ]
    assert settings["shm_size"] == "2g"
    assert "sakuga-scratch:/data/sakuga" in job.volumes
    assert not job.privileged


def test_a_pod_of_the_kubernetes_worker_gets_its_gpu() -> None:
    pod = kubernetes_job()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_a_run_that_its_node_lost_is_not_started_again_behind_prefects_back() -> None:
    assert kubernetes_job()["spec"]["backoffLimit"] == 0


@pytest.mark.usefixtures("prefect_server")
def test_the_kubernetes_worker_takes_the_template() -> None:
    worker = pytest.importorskip("prefect_kubernetes.worker", reason="prefect-kubernetes is not installed")
    theirs = worker.KubernetesWorker.get_default_base_job_template()["job_configuration"]
    read = template("kubernetes-gpu")
    assert set(theirs) == set(read["job_configuration"])
    job = asyncio.run(worker.KubernetesWorkerJobConfiguration.from_template_and_values(read, {"gpus": 2}))
    (container,) = job.job_manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
