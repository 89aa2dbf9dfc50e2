#!/usr/bin/env python3
"""What compose itself does not mind: compose.py RESOLVED WRITTEN, the output of `config` with all profiles, and the file."""

import pathlib
import re
import sys

import yaml

DRAIN_SECONDS = 10


def seconds(text):
    """A duration of compose in seconds: 1m30s is 90."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text or ""))


def faults(resolved, written):
    """What is wrong, a line each."""
    services = resolved["services"]
    engine = services["gristmill"]
    if "container_name" in engine or engine.get("ports"):
        yield "gristmill: a container's name or a port of the host stands in the way of --scale"
    if seconds(engine.get("stop_grace_period")) <= DRAIN_SECONDS:
        yield f"gristmill: stop_grace_period is not above the drain, {DRAIN_SECONDS} s"
    if "env_file" in written:
        yield "env_file: every service lists its own variables"
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how.get("condition")
            if condition == "service_healthy" and "test" not in services[other].get("healthcheck", {}):
                yield f"{name}: waits for {other} to be healthy, which has no health check"
            if condition not in ("service_healthy", "service_completed_successfully", "service_started"):
                yield f"{name}: {other} has the condition {condition}"


def main():
    resolved, written = (pathlib.Path(name).read_text() for name in sys.argv[1:3])
    found = list(faults(yaml.safe_load(resolved), written))
    print("\n".join(found) or "compose: scalable, drained, in order")
    return 1 if found else 0


sys.exit(main())
