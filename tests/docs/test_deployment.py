"""The unit, the container file and the manifests of the pages: read, and held against us."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ventil.cli.main import app
from ventil.engine.run import GRACE_S

ROOT = Path(__file__).resolve().parent.parent.parent
WORKERS = ROOT / "docs" / "how-to" / "run-workers.md"
FAIRNESS = ROOT / "docs" / "explanation" / "fairness.md"
LEAVING_S = GRACE_S + 5.0
"""What is in flight, and then the books: a supervisor should give a worker so long."""


def block(page: Path, kind: str) -> str:
    """The one code block of a kind on a page."""
    [found] = re.findall(rf"^```{kind}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return str(found)


def accepts(words: list[str]) -> bool:
    """Whether the command line is one of ours, with every option in it."""
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return command.__module__.startswith("ventil.cli.") and bound is not None


@pytest.fixture
def manifest() -> dict[str, Any]:
    """The deployment."""
    found = yaml.safe_load(block(WORKERS, "yaml"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def unit() -> configparser.ConfigParser:
    """The systemd unit."""
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(block(WORKERS, "ini"))
    return found


def test_the_unit(unit: configparser.ConfigParser) -> None:
    """It starts a command of ours, starts it again, and waits for it to leave."""
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program.endswith("/bin/ventil")
    assert accepts(words)
    assert service["Restart"] == "always"
    assert float(service["TimeoutStopSec"]) >= LEAVING_S
    assert set(unit) == {"DEFAULT", "Unit", "Service", "Install"}


def test_the_deployment(manifest: dict[str, Any]) -> None:
    """Its pods match its selector, its volumes its mounts; it waits for workers to leave."""
    assert (manifest["apiVersion"], manifest["kind"]) == ("apps/v1", "Deployment")
    template = manifest["spec"]["template"]
    assert manifest["spec"]["selector"]["matchLabels"].items() <= (
        template["metadata"]["labels"].items()
    )
    assert template["spec"]["terminationGracePeriodSeconds"] >= LEAVING_S
    [container] = template["spec"]["containers"]
    assert accepts(container["args"])
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in template["spec"]["volumes"]}
    config = container["args"][container["args"].index("--config") + 1]
    assert str(Path(config).parent) in mounted.values()


def test_the_container_file() -> None:
    """The program is ours, its default command too, and not root's."""
    lines = block(WORKERS, "dockerfile").replace("\\\n", " ").splitlines()
    steps = dict(line.split(maxsplit=1) for line in lines if line.strip())
    assert json.loads(steps["ENTRYPOINT"]) == ["ventil"]
    assert accepts(json.loads(steps["CMD"]))
    assert steps["USER"] == "ventil"
    assert f"useradd --create-home {steps['USER']}" in steps["RUN"]
    assert "--require-hashes" in steps["RUN"]
    major, minor = map(int, re.findall(r"\d+", steps["FROM"])[:2])
    assert (major, minor) >= (3, 11)


def test_the_autoscaler(manifest: dict[str, Any]) -> None:
    """It scales the deployment, by the slots that a worker of it has, and never to none."""
    scaled = yaml.safe_load(block(FAIRNESS, "yaml"))
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] == manifest["metadata"]["name"]
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
    [trigger] = spec["triggers"]
    assert trigger["type"] == "prometheus"
    assert trigger["metadata"].keys() >= {"serverAddress", "query", "threshold"}
    args = manifest["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--slots" not in args  # so it has
    assert float(trigger["metadata"]["threshold"]) == 10
    pushed = block(FAIRNESS, "sh")
    [metric] = re.findall(r"ventil_\w+(?=\{)", pushed)
    assert metric in trigger["metadata"]["query"]
    assert accepts(shlex.split(pushed.splitlines()[0].rstrip(" |"))[1:])


def test_the_slots_of_a_worker() -> None:
    """What the autoscaler's threshold counts on."""
    _, bound, _ = app.parse_args(["worker"], exit_on_error=False, print_error=False)
    assert bound.signature.parameters["slots"].default == 10
