"""The Helm chart: commands and settings that exist, no rights, and the database's owner only where it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # has no types

from hub.settings import BACKUP_PASSPHRASE, Settings
from hub.web.app import MAX_BODY_BYTES
from tests.deploy.chart import CHART, Chart, ChartFault
from tests.deploy.test_deploy import DEPLOY, ROOT, commands, program

CONFIGURATION = '[school]\nname = "明德"\ncredit_code = "52340100MJ00000015"\nlicence = "1"\n'
VALUES = {"hostname": "sign.school.example", "configuration": CONFIGURATION, "backup": {"enabled": True}}


def objects(**changed: Any) -> list[dict[str, Any]]:
    return Chart.load(VALUES | changed).render()


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what runs, by its kind and name, with the specification of its pod."""
    for each in objects():
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield f"{each['kind']} {each['metadata']['name']}", template["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for _, pod in pods():
        for each in (*pod.get("initContainers", ()), *pod["containers"]):
            yield each["name"], each


def test_what_runs_are_commands_that_exist_with_settings_that_exist() -> None:
    known = commands()
    assert [name for name, _ in containers()] == ["backup", "erase", "migrate", "init", "serve", "work"]
    for name, each in containers():
        assert each["args"][0] in known, name
        variables = {one["name"] for one in each["env"]} - {"QIANDA_CONFIG", BACKUP_PASSPHRASE}
        assert variables <= set(Settings.variables()), name


def test_no_serving_pod_knows_the_owner_of_the_database() -> None:
    knowing = {n for n, each in containers() if "QIANDA_DATABASE_OWNER" in {one["name"] for one in each["env"]}}
    assert knowing == {"migrate", "init", "backup", "erase"}


def test_nothing_runs_as_root_or_gets_a_right() -> None:
    user = int(re_find(r"useradd --system --uid (\d+) --gid \1 ", (DEPLOY / "Dockerfile").read_text("utf-8")))
    for name, pod in pods():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] == security["fsGroup"] == user, name
        assert pod["automountServiceAccountToken"] is False, name
    for name, each in containers():
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_probes_ask_what_answers_there() -> None:
    found = dict(containers())
    for name, port in (("serve", 8080), ("work", 8091)):
        ports = {each["name"]: each["containerPort"] for each in found[name]["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = found[name][probe]["httpGet"]
            assert asked["path"] in ("/healthz", "/readyz") and ports[asked["port"]] == port
    work = {each["name"]: each.get("value") for each in found["work"]["env"]}
    assert (work["QIANDA_WORK_PORT"], work["QIANDA_WORK_HOST"]) == ("8091", "0.0.0.0")
    assert Settings.load().port == 8080


def test_settings_are_read_from_what_is_mounted(tmp_path: Path) -> None:
    (configuration,) = (each for each in objects() if each["kind"] == "ConfigMap")
    text = configuration["data"]["qianda.toml"]
    assert tomllib.loads(text) == tomllib.loads(CONFIGURATION)
    path = tmp_path / "qianda.toml"
    path.write_text(text, "utf-8")
    settings = Settings.of_file(path)
    serve = {each["name"]: each.get("value") for each in dict(containers())["serve"]["env"]}
    changed = Settings.load(school=settings.school, trusted_proxies=json.loads(serve["QIANDA_TRUSTED_PROXIES"]))
    assert [str(each) for each in changed.trusted_proxies] == ["10.0.0.0/8"]
    mounts = {each["mountPath"] for each in dict(containers())["serve"]["volumeMounts"]}
    assert serve["QIANDA_CONFIG"].rpartition("/")[0] in mounts
    assert re_find(r"QIANDA_DATA=(\S+)", (DEPLOY / "Dockerfile").read_text("utf-8")).startswith("/var/lib/qianda/")


def test_every_reference_leads_to_something_of_the_chart() -> None:
    made = objects()
    names = {(each["kind"], each["metadata"]["name"]) for each in made}
    for where, pod in pods():
        for volume in pod["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                assert ("PersistentVolumeClaim", claim["claimName"]) in names, where
            if configuration := volume.get("configMap"):
                assert ("ConfigMap", configuration["name"]) in names, where
        known = {volume["name"] for volume in pod["volumes"]}
        for each in pod["containers"]:
            assert {mount["name"] for mount in each["volumeMounts"]} <= known, where
    (ingress,) = (each for each in made if each["kind"] == "Ingress")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert ("Service", path["backend"]["service"]["name"]) in names
    (service,) = (each for each in made if each["kind"] == "Service")
    labels = next(
        each["spec"]["template"]["metadata"]["labels"]
        for each in made
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-serve")
    )
    assert service["spec"]["selector"].items() <= labels.items()
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "21m"
    assert annotations["nginx.ingress.kubernetes.io/enable-access-log"] == "false"
    assert MAX_BODY_BYTES == 21 << 20


def test_every_value_of_the_chart_is_used_and_what_must_be_said_is_asked_for() -> None:
    text = "".join(path.read_text("utf-8") for path in (CHART / "templates").iterdir())
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for name, value in values.items():
        inside = [f"{name}.{each}" for each in value] if isinstance(value, dict) else [name]
        assert all(f".Values.{each}" in text for each in inside), name
    for missing in ("hostname", "configuration"):
        with pytest.raises(ChartFault, match=missing):
            objects(**{missing: ""})
    with pytest.raises(ChartFault, match="there is no value host"):
        objects(host="x")


def test_pods_share_a_node_only_where_the_volume_demands_it() -> None:
    assert all("affinity" in pod for _, pod in pods())
    several = Chart.load(VALUES | {"storage": {"accessMode": "ReadWriteMany"}}).render()
    assert not any("affinity" in json.dumps(each) for each in several)
    off = {"enabled": False}
    kinds = [each["kind"] for each in objects(backup=off, erasures=off, ingress=off)]
    assert sorted(kinds) == ["ConfigMap", "Deployment", "Deployment", "Job", "PersistentVolumeClaim", "Service"]


def test_the_chart_is_of_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (about["appVersion"], about["version"]) == (version, version)


@pytest.mark.real
@pytest.mark.parametrize(
    "changed",
    [{}, {"storage": {"accessMode": "ReadWriteMany"}, "backup": {"enabled": False}, "erasures": {"enabled": False}}],
)
def test_helm_finds_no_fault_and_makes_the_same(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Helm is in no registry of Debian: `go install helm.sh/helm/v3/cmd/helm@v3.19.5` builds it."""
    helm, values = program("helm"), tmp_path / "school.yaml"
    values.write_text(yaml.safe_dump(VALUES | changed, allow_unicode=True), "utf-8")
    # Without a version, a Helm that was built without one renders for Kubernetes 1.20.
    options = [str(CHART), "--values", str(values), "--kube-version", "1.30.0"]
    linted = subprocess.run([helm, "lint", "--strict", *options], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    rendered = [helm, "template", "school", *options]
    made = subprocess.run(rendered, capture_output=True, text=True, check=True).stdout
    theirs = [each for each in yaml.safe_load_all(made) if each]
    assert sorted(theirs, key=json.dumps) == sorted(objects(**changed), key=json.dumps)


def re_find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, pattern
    return found[1]
