"""The manifest for Kubernetes in the manual: valid, short, and found by the host beside it."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import yaml

from wstui.scenario.hosts import parse_host

PAGE = (Path(__file__).parents[2] / "wstui/manual/hosts.md").read_text("utf-8")


def test_the_manifest_is_a_deployment_whose_pods_the_host_of_the_manual_names() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(text.splitlines()) <= 25
    made = yaml.safe_load(text)
    kubernetes_validate.validate(made, "1.30", strict=True)
    (host,) = set(re.findall(r"--hosts (k8s:\S+)", PAGE))
    namespace, _, selector = parse_host(host).destination.partition("/")
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert namespace == made["metadata"]["namespace"] and selector in {f"{k}={v}" for k, v in labels.items()}
