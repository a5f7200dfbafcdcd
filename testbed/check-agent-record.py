"""An agent audit record, judged by its public verifier: `python check-agent-record.py FILE KEY`.

KEY is the signer's public key as a verifier key of a signed note, given by another way than the record. Prints the tier that
the verifier derives; or, with status 1, why the record is malformed.
"""

import base64
import sys

from agent_evidence_vectors.auditrecord import Policy, verify

PREDICATE = "https://probityai.github.io/agent-evidence-vectors/predicate/v1/agent-audit-record"

with open(sys.argv[1], "rb") as file:
    # The name and the id of a verifier key have no plus sign; the base64 of its key may.
    key = base64.b64decode(sys.argv[2].split("+", 2)[2])[1:]
    report = verify(file.read(), Policy(PREDICATE, key.hex()))
print(report.derived_tier if report.verdict == "valid" else " ".join(report.codes))
sys.exit(report.verdict != "valid")
