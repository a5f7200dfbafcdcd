"""A containment evidence record, looked at with the rules its guide states: `python check-containment.py FILE KEY`.

KEY is the signer's public key as a verifier key of a signed note, given by another way than the record. This is a reader of
our own: the guide's is not on PyPI.
"""

import base64
import hashlib
import json
import sys

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def digest(value):
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def without(value, member):
    return {name: part for name, part in value.items() if name != member}


def check(record, key):
    entries, sequence = record["entries"], record["sequence"]
    assert [entry["kind"] for entry in entries] == ["enforcement_decision", "accounting_decision", "outcome"][:len(entries)]
    first, last = entries[0], entries[-1]
    assert first["sequenced_before_dispatch"] is True
    before = ""
    for index, entry in enumerate(entries):
        assert (entry["index"], entry["prev_hash"]) == (index, before), f"entry {index} is not where it says"
        assert entry["entry_hash"] == digest(without(entry, "entry_hash")), f"entry {index} was changed"
        before = entry["entry_hash"]
        if index:
            assert entry["references"] == {"decision_entry_hash": first["entry_hash"], "action_id": first["action_id"]}
    boundary = first["assurance_boundary"]
    assert boundary["statement_digest"] == digest(boundary["statement"]), "the statement was changed"
    checkpoint = sequence["checkpoint"]
    assert checkpoint["sequence_id"] == sequence["id"]
    assert (checkpoint["index"], checkpoint["entry_hash"]) == (last["index"], last["entry_hash"]), "the head"
    assert checkpoint["expected_boundaries"] == {"first_index": 0, "last_index": last["index"]}
    signature = checkpoint["signature"]
    signer = base64.urlsafe_b64decode(signature["signer"]["x"] + "==")
    assert signer == key, "signed by somebody else"
    value = base64.urlsafe_b64decode(signature["value"] + "==")
    Ed25519PublicKey.from_public_bytes(key).verify(value, rfc8785.dumps(without(checkpoint, "signature")))
    for member in ["principal", "actor", "subject", "policy", "tool_catalog", "action_id", "request_digest", "runtime", "decision"]:
        assert first[member], f"{member} is neither present nor said to be absent"


with open(sys.argv[1], encoding="utf-8") as file:
    # The name and the id of a verifier key have no plus sign; the base64 of its key may.
    check(json.load(file), base64.b64decode(sys.argv[2].split("+", 2)[2])[1:])
print("ok")
