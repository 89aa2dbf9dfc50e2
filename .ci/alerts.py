#!/usr/bin/env python3
"""What promtool does not look at: each alert says what to do, links a section that is there, and is shown to fire by a test."""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNBOOK = "docs/operations.md"
# What `gristmill alerts` puts other numbers into.
THRESHOLDS = ["expr: vector(5)\n", "expr: vector(0.5)\n"]


def faults(text, tests, runbook):
    """What is wrong, a line each."""
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    sections = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", runbook, re.M)}
    for rule in (rule for rule in rules if "alert" in rule):
        name, said = rule["alert"], rule.get("annotations", {})
        if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
            yield f"{name}: severity is critical or warning"
        if not said.get("summary") or len(said.get("description", "")) < 80:
            yield f"{name}: summary and description say what it is and what to do"
        file, _, section = said.get("runbook_url", "").partition("#")
        if file != RUNBOOK or section not in sections:
            yield f"{name}: {said.get('runbook_url')} is no section of {RUNBOOK}"
        if f'alertname="{name}", alertstate="firing"' not in tests:
            yield f"{name}: no test shows it fire"
    for threshold in THRESHOLDS:
        if text.count(threshold) != 1:
            yield f"{threshold.strip()} stands there {text.count(threshold)} times, not once"


def main():
    folder = ROOT / "deploy" / "prometheus"
    text, tests = (folder / "alerts.yml").read_text(), (folder / "alerts_test.yml").read_text()
    found = list(faults(text, tests, (ROOT / RUNBOOK).read_text()))
    print("\n".join(found) or f"{text.count('- alert: ')} alerts have a text, a section and a test")
    return 1 if found else 0


sys.exit(main())
