"""Reads OCSF events, one a line, and checks each against the public schema of the version it names.

Writes the number of events of each class; ends with status 1 and the first error when one does not fit.
"""

import json
import sys
from collections import Counter

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schemas, validators, seen = {}, {}, Counter()


def validator(event):
    version, profiles = event["metadata"]["version"], tuple(event["metadata"].get("profiles", ()))
    key = version, profiles, event["class_uid"]
    if key not in validators:
        schema = schemas.setdefault(version, OcsfJsonSchemaEmbedded(get_ocsf_schema(version)))
        name = schema.lookup_class_name_from_uid(event["class_uid"])
        validators[key] = Draft202012Validator(schema.get_class_schema(name, list(profiles)))
    return validators[key]


for line in sys.stdin:
    event = json.loads(line)
    for error in validator(event).iter_errors(event):
        sys.exit(f"{error.json_path}: {error.message}\n{line}")
    seen[str(event["class_uid"])] += 1
print(json.dumps(seen))
