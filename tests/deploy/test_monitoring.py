"""The example rules and dashboard name only metrics that are served; each alert fires when it should, and has its
lines in the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # has no types

from hub.operator_metrics import render_process_metrics
from hub.worker.health import list_loop_metrics
from hub.worker.worker import Worker
from tests.checkout import ROOT
from tests.deploy.test_deploy import program
from tests.running import running_hub

MONITORING = ROOT / "deploy" / "monitoring"
RULES_TEST = Path(__file__).with_name("rules_test.yaml")


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def alerts() -> set[str]:
    return {rule["alert"] for group in read_yaml(MONITORING / "rules.yaml")["groups"] for rule in group["rules"]}


def served_names(exposition: str) -> set[str]:
    """Return the names of all series that a scrape can have."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", exposition, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    return names


async def test_every_metric_that_is_watched_exists() -> None:
    watched = set()
    for name in ("rules.yaml", "dashboard.json"):
        watched |= set(re.findall(r"\bqianda_\w+", (MONITORING / name).read_text("utf-8")))
    async with (
        running_hub(with_worker=False) as running,
        running.http.get(f"{running.origin}/metrics") as answer,
    ):
        served = served_names(await answer.text())
        worker = Worker(running.hub)
        served |= served_names(render_process_metrics(running.hub, list_loop_metrics(worker.watch)).decode())
    assert watched and watched <= served, watched - served


def test_each_alert_is_seen_to_fire_and_to_be_silent() -> None:
    fired, silent = set[str](), set[str]()
    for case in read_yaml(RULES_TEST)["tests"]:
        for expected in case["alert_rule_test"]:
            (fired if expected.get("exp_alerts") else silent).add(expected["alertname"])
    assert fired == silent == alerts()


def test_the_runbook_says_of_each_alert_what_to_do() -> None:
    runbook = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(Qianda\w+)` \|", runbook, re.MULTILINE)) == alerts()


@pytest.mark.real
def test_prometheus_accepts_its_rules_and_they_fire(tmp_path: Path) -> None:
    for path in (MONITORING / "rules.yaml", RULES_TEST):
        shutil.copy(path, tmp_path)
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        done = subprocess.run(
            [program("promtool"), *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    shutil.copy(MONITORING / "rules.yaml", tmp_path)
    (tmp_path / "token").write_text("0123456789abcdef\n")
    text = (MONITORING / "prometheus.yaml").read_text("utf-8")
    assert "credentials_file: /etc/prometheus/qianda-metrics-token" in text
    (tmp_path / "prometheus.yaml").write_text(text.replace("/etc/prometheus/qianda-metrics-token", "token"))
    done = subprocess.run(
        [program("promtool"), "check", "config", "prometheus.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
