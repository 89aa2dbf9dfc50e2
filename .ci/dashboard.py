#!/usr/bin/env python3
"""Asks a Prometheus every query of the dashboard: dashboard.py DASHBOARD PROMETHEUS-URL SECONDS.

A query that Prometheus refuses, or that has no answer, is a fault: a misspelt metric or label shows in no other way. Waits up to
SECONDS for those that need a few scrapes.
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# What Grafana puts there.
VARIABLES = {"$__rate_interval": "40s", "$job": ".+", "$instance": ".+"}


def queries(dashboard):
    """Every panel's and annotation's query, with its title."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric = variable["query"]["query"].removeprefix("label_values(").rpartition(",")[0]
            yield f"variable {variable['name']}", metric


def ask(url, query):
    """How many series answer; a text where the query is refused."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]


def main():
    dashboard = json.loads(pathlib.Path(sys.argv[1]).read_text())
    all_queries = list(queries(dashboard))
    deadline = time.monotonic() + float(sys.argv[3])
    open_ones = all_queries
    while open_ones:
        answers = [(title, query, ask(sys.argv[2], query)) for title, query in open_ones]
        refused = [f"{title}: {query}: {answer}" for title, query, answer in answers if isinstance(answer, str)]
        if refused:
            sys.exit("\n".join(refused))
        open_ones = [(title, query) for title, query, answer in answers if answer == 0]
        if open_ones and time.monotonic() > deadline:
            sys.exit("\n".join(f"{title}: no series: {query}" for title, query in open_ones))
        time.sleep(1 if open_ones else 0)
    print(f"{len(all_queries)} queries of the dashboard have answers")


if __name__ == "__main__":
    main()
