#!/usr/bin/env python3
"""Validates Kubernetes manifests: manifests.py FILE... (documents separated by `---`).

Kinds of Kubernetes itself against the schemas of three releases, which the package kubernetes-validate carries; unknown fields are
faults. Kinds of others against deploy/schemas.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

# The oldest that the chart is for and the package knows, one between, and the newest.
RELEASES = ["1.32", "1.34", "1.37"]
SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / "deploy" / "schemas"
CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): "scaledobject.json",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitor.json",
}


def faults(document):
    """What is wrong with one document, a line each."""
    schema = CUSTOM.get((document.get("apiVersion"), document.get("kind")))
    if schema:
        validator = jsonschema.Draft7Validator(json.loads((SCHEMAS / schema).read_text()))
        return [f"{schema}: {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    found = []
    for release in RELEASES:
        try:
            kubernetes_validate.validate(document, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"Kubernetes {release}: {'.'.join(map(str, error.path))}: {error.message}")
        except (kubernetes_validate.InvalidSchemaError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"Kubernetes {release}: no schema: {error}")
    return found


def main():
    documents, found = 0, []
    for name in sys.argv[1:]:
        for document in yaml.safe_load_all(pathlib.Path(name).read_text()):
            if document is None:
                continue
            documents += 1
            what = f"{name}: {document.get('kind')} {document.get('metadata', {}).get('name')}"
            found += [f"{what}: {fault}" for fault in faults(document)]
    if documents == 0:
        found.append("no documents were given")
    print("\n".join(found) or f"{documents} documents are valid in Kubernetes {', '.join(RELEASES)}")
    return 1 if found else 0


sys.exit(main())
