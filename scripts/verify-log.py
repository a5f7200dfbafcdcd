#!/usr/bin/env python3
"""Verifies a Portcullis log: a second reader of the format, independent of the program that writes it.

Needs the log's directory, its public key, Python 3.10 and the package `cryptography`; for ML-DSA keys a version
of that which has them. The formats are C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-tiles, the
tree is that of RFC 6962 section 2.1. `--json` writes what `portcullis audit verify --json` writes.

Exit status: 0 the log is whole, 1 something is wrong with it, 2 it was called wrongly.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256  # hashes in a full tile, entries in a full bundle
HASH = 32
MAX_NOTE = 256 * 1024
MAX_SIGNATURES = 64
MAX_HISTORY_LINE = 512 * 1024
MAX_FILE = WIDTH * (0xFFFF + 2)
MOST_ORDER_FINDINGS = 100


class Fault(Exception):
    """A part of a log or an argument that is not what it has to be."""


# --- The tree (RFC 6962, section 2.1)


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(row):
    while len(row) > 1:
        pairs = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2 :]
    return row[0]


class Edge:
    """The right edge of a growing tree: of each level of tiles, the hashes of the one that is not full."""

    def __init__(self, filled=lambda level, index, hashes: None):
        self.size = 0
        self.levels = []
        self.filled = filled

    def push(self, carried):
        position, self.size = self.size, self.size + 1
        for level in range(64):
            if level == len(self.levels):
                self.levels.append([])
            tile = self.levels[level]
            tile.append(carried)
            if len(tile) < WIDTH:
                return
            self.filled(level, position >> (8 * (level + 1)), tile)
            carried = fold(tile)
            self.levels[level] = []

    def root(self):
        lower = []
        for tile in self.levels:
            row = tile + lower
            lower = [fold(row)] if row else []
        return lower[0] if lower else hashlib.sha256(b"").digest()

    def partial(self):
        for level, tile in enumerate(self.levels):
            if tile:
                yield level, self.size >> (8 * (level + 1)), tile


# --- Keys and signed notes


def decode(text):
    """Base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Fault(f"is no base64: {error}") from None
    if base64.b64encode(data).decode() != text:
        raise Fault("is no base64 in its one spelling")
    return data


def is_name(name):
    blank = any(c.isspace() or ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c == "+" for c in name)
    return bool(name) and len(name.encode()) <= 255 and not blank


def ml_dsa_44(raw):
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError:
        raise Fault("is an ML-DSA-44 key: install a newer `cryptography`") from None
    return MLDSA44PublicKey.from_public_bytes(raw)


ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
KEYS = {
    ED25519: (32, Ed25519PublicKey.from_public_bytes),
    COSIGNATURE: (32, Ed25519PublicKey.from_public_bytes),
    ML_DSA_44: (1312, ml_dsa_44),
}


class Key:
    """A public key, `name+id+key`."""

    def __init__(self, text):
        self.text = text.strip()
        parts = self.text.split("+", 2)
        if len(parts) != 3:
            raise Fault("is not `name+id+key`")
        self.name, number, encoded = parts
        data = decode(encoded)
        if not is_name(self.name) or not data or data[0] not in KEYS:
            raise Fault("is no key that is known here")
        self.algorithm, raw = data[0], data[1:]
        length, load = KEYS[self.algorithm]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if len(raw) != length or number != self.id.hex():
            raise Fault("has an id or a length that does not belong to it")
        self.public = load(raw)

    def verify(self, text, signature):
        """When `text` was signed, in seconds, or 0 when the signature does not say. Raises InvalidSignature."""
        time = 0
        if self.algorithm != ED25519:
            if len(signature) < 8:
                raise InvalidSignature
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        self.public.verify(signature, self.message(text, time))
        return time

    def message(self, text, time):
        if self.algorithm == ED25519:
            return text.encode()
        if self.algorithm == COSIGNATURE:
            return f"cosignature/v1\ntime {time}\n{text}".encode()
        checkpoint = Checkpoint(text)
        name, origin = self.name.encode(), checkpoint.origin.encode()
        return b"".join([
            b"subtree/v1\n\0", bytes([len(name)]), name, time.to_bytes(8, "big"), bytes([len(origin)]), origin,
            bytes(8), checkpoint.size.to_bytes(8, "big"), checkpoint.root,
        ])  # fmt: skip


class Note:
    """A text and its signatures."""

    def __init__(self, data):
        if len(data) > MAX_NOTE:
            raise Fault(f"is longer than {MAX_NOTE} bytes")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise Fault("is not plain UTF-8 text") from None
        if any(c < " " and c != "\n" for c in whole):
            raise Fault("is not plain UTF-8 text")
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not text or not lines.endswith("\n"):
            raise Fault("has no text followed by a blank line and signatures")
        self.text = text + "\n"
        self.signatures = [self.signature(line) for line in lines[:-1].split("\n")]
        if len(self.signatures) > MAX_SIGNATURES:
            raise Fault(f"has more than {MAX_SIGNATURES} signatures")

    @staticmethod
    def signature(line):
        parts = line.split(" ", 2)
        if len(parts) != 3 or parts[0] != "\u2014" or not is_name(parts[1]):
            raise Fault("has a signature line that is not `\u2014 name base64`")
        data = decode(parts[2])
        if len(data) < 5:
            raise Fault("has a signature line that is not `\u2014 name base64`")
        return parts[1], data[:4], data[4:]

    def signed_by(self, key):
        """When the key signed this text, else None. Raises InvalidSignature when one in its name is false."""
        times = [key.verify(self.text, made) for name, number, made in self.signatures
                 if (name, number) == (key.name, key.id)]  # fmt: skip
        return times[-1] if times else None

    def is_by(self, keys):
        for key in keys:
            try:
                if self.signed_by(key) is not None:
                    return True
            except (InvalidSignature, Fault):
                continue
        return False


class Checkpoint:
    """A log's tree at one size."""

    def __init__(self, text):
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or "" in lines or not re.fullmatch("0|[1-9][0-9]*", lines[1]):
            raise Fault("is no checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), decode(lines[2])
        if len(self.root) != HASH or self.size >= 1 << 64:
            raise Fault("is no checkpoint")


# --- The directory (C2SP tlog-tiles)


def tile_path(kind, index, width):
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["tile", str(kind)] + ["x" + group for group in groups[:-1]] + groups[-1:])
    return path if width == WIDTH else f"{path}.p/{width}"


class Log:
    def __init__(self, directory):
        self.directory = Path(directory)

    def read(self, name):
        path = self.directory / name
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > MAX_FILE:
                raise Fault(f"`{name}` is longer than any part of a log")
            return path.read_bytes()
        except OSError as error:
            raise Fault(f"`{name}` could not be read: {error}") from None

    def note(self, name):
        data = self.read(name)
        if data is None:
            raise Fault(f"`{name}` is missing")
        note = Note(data)
        return note, Checkpoint(note.text)

    def history(self):
        data = (self.read("history.jsonl") or b"").decode(errors="replace")
        for line in data.split("\n"):
            try:
                if 0 < len(line) <= MAX_HISTORY_LINE:
                    note = Note(json.loads(line).encode())
                    yield note, Checkpoint(note.text)
            except (Fault, ValueError, AttributeError):
                continue  # these only make findings more precise

    def tile(self, kind, index, width):
        """Its bytes and the width its name promises: a wider one will do when this width was superseded."""
        partial = self.directory / (tile_path(kind, index, WIDTH) + ".p")
        names = os.listdir(partial) if partial.is_dir() else []
        wider = sorted(int(name) for name in names if name.isdecimal() and int(name) > width)
        for candidate in [width, WIDTH] + wider:
            data = self.read(tile_path(kind, index, candidate))
            if data is not None:
                return data, candidate
        raise Fault(f"`{tile_path(kind, index, width)}` is missing")

    def hashes(self, level, index, width):
        data, promised = self.tile(level, index, width)
        if len(data) != promised * HASH:
            raise Fault(f"`{tile_path(level, index, width)}` holds {len(data) // HASH} of {promised}")
        return [data[at : at + HASH] for at in range(0, width * HASH, HASH)]

    def entries(self, index, width):
        """As many as there are, and whether the file holds more than it should."""
        data, promised = self.tile("entries", index, width)
        entries, at = [], 0
        while at + 2 <= len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data):
                break
            entries.append(data[at + 2 : end])
            at = end
        surplus = len(entries) > promised or (len(entries) == promised and at < len(data))
        return entries[:width], surplus


# --- Verification


@dataclass
class Report:
    origin: str | None = None
    size: int = 0
    root: str | None = None
    checked: int = 0
    signed_by: list = field(default_factory=list)
    witnessed_by: list = field(default_factory=list)
    continues: list = field(default_factory=list)
    findings: list = field(default_factory=list)

    def find(self, kind, first, before, detail):
        self.findings.append({"kind": kind, "first_bad_entry": first, "before": before, "detail": detail})


@dataclass
class Kept:
    """A checkpoint that the log has to agree with; one of its own history only narrows down."""

    checkpoint: Checkpoint
    elsewhere: bool


class Verifier:
    def __init__(self, log, keys, witnesses, since):
        self.log, self.keys, self.witnesses, self.since = log, keys, witnesses, since
        self.report = Report()

    def run(self):
        try:
            note, self.newest = self.log.note("checkpoint")
        except Fault as fault:
            self.report.find("checkpoint", 0, None, f"the checkpoint {fault}")
            return self.report
        self.report.origin, self.report.size = self.newest.origin, self.newest.size
        self.report.root = base64.b64encode(self.newest.root).decode()
        self.signatures(note)
        Walk(self.log, self.newest, self.kept(), self.report).run()
        self.report.findings.sort(key=lambda finding: finding["first_bad_entry"] or 0)
        return self.report

    def signatures(self, note):
        false_ones = []
        for key in self.keys:
            if key.name != self.newest.origin:
                continue
            try:
                if note.signed_by(key) is not None:
                    self.report.signed_by.append(key.text)
            except InvalidSignature:
                false_ones.append(key.text)
        self.cosignatures(note, self.newest)
        if false_ones:
            self.report.signed_by = []
            self.report.find("key", 0, None, f"the checkpoint has a false signature of `{false_ones[-1]}`")
        elif not self.report.signed_by:
            self.report.find("key", 0, None, "the checkpoint is not signed by a trusted key")

    def cosignatures(self, note, checkpoint):
        before = len(self.report.witnessed_by)
        for key in self.witnesses:
            try:
                at = note.signed_by(key)
            except InvalidSignature:
                continue
            if at is not None:
                self.report.witnessed_by.append({"witness": key.name, "size": checkpoint.size, "at": at})
        return len(self.report.witnessed_by) > before

    def kept(self):
        kept = []
        for note in self.since:
            checkpoint = self.ours(note)
            if checkpoint:
                kept.append(Kept(checkpoint, True))
            else:
                detail = "a checkpoint to compare with is not one of this log, signed by a trusted key"
                self.report.find("key", None, None, detail)
        try:
            note, checkpoint = self.log.note("witnessed")
            if self.cosignatures(note, checkpoint) and checkpoint.origin == self.newest.origin:
                kept.append(Kept(checkpoint, True))
        except Fault:
            pass  # no witness signed this log
        kept += [Kept(checkpoint, False) for note, checkpoint in self.log.history() if self.ours(note)]
        return sorted(kept, key=lambda one: one.checkpoint.size)

    def ours(self, note):
        try:
            checkpoint = Checkpoint(note.text)
        except Fault:
            return None
        ours = checkpoint.origin == self.newest.origin and note.is_by(self.keys + self.witnesses)
        return checkpoint if ours else None


class Walk:
    """One pass over every entry: the tree is built from the entries and, beside it, from the tiles' leaves."""

    def __init__(self, log, newest, kept, report):
        self.log, self.newest, self.kept, self.report = log, newest, kept, report
        self.from_entries, self.from_tiles = Edge(self.compare_tile), Edge()
        self.differs = self.missing = self.tile = self.rewritten = self.disagreed = None
        self.agreed = 0
        self.last_of_run, self.order_findings = {}, 0

    def run(self):
        self.compare_kept()
        for index in range(-(-self.newest.size // WIDTH)):
            self.bundle(index, min(WIDTH, self.newest.size - index * WIDTH))
            if self.missing:
                break
            self.report.checked = self.from_entries.size
        if not self.missing:
            for level, index, hashes in self.from_entries.partial():
                self.compare_tile(level, index, hashes)
        self.conclude()

    def spoilt(self, what):
        self.tile = self.tile or what

    def bundle(self, index, width):
        first, leaves = index * WIDTH, []
        try:
            leaves = self.log.hashes(0, index, width)
        except Fault as fault:
            self.spoilt(str(fault))
        try:
            entries, surplus = self.log.entries(index, width)
        except Fault as fault:
            self.missing = (first, str(fault))
            return
        if surplus:
            self.spoilt(f"`{tile_path('entries', index, width)}` holds more than its entries")
        for at, entry in enumerate(entries):
            self.order(first + at, entry)
            hashed = leaf_hash(entry)
            claimed = leaves[at] if leaves else hashed
            if claimed != hashed and self.differs is None:
                self.differs = first + at
            self.from_entries.push(hashed)
            self.from_tiles.push(claimed)
            self.compare_kept()
        if len(entries) < width:
            detail = f"`{tile_path('entries', index, width)}` holds {len(entries)} of {width} entries"
            self.missing = (first + len(entries), detail)

    def compare_tile(self, level, index, hashes):
        if self.tile:
            return
        try:
            if self.log.hashes(level, index, len(hashes)) != hashes:
                self.spoilt(f"`{tile_path(level, index, len(hashes))}` is not the tile of the entries")
        except Fault as fault:
            self.spoilt(str(fault))

    def compare_kept(self):
        size = self.from_entries.size
        while self.kept and self.kept[0].checkpoint.size == size:
            kept = self.kept.pop(0)
            if kept.checkpoint.root == self.from_entries.root():
                self.agreed = size
                if kept.elsewhere:
                    self.report.continues.append(size)
            elif kept.elsewhere:
                self.rewritten = self.rewritten or size
            else:
                self.disagreed = self.disagreed or size

    def order(self, number, entry):
        """Each run numbers its records, and no number comes twice."""
        if self.order_findings >= MOST_ORDER_FINDINGS:
            return
        try:
            record = json.loads(entry)
            identifier, sequence = record.get("id"), record.get("seq")
        except (ValueError, AttributeError, RecursionError):
            self.order_findings += 1
            self.report.find("no-record", number, None, "this is no record")
            return
        if not isinstance(identifier, str) or not isinstance(sequence, int):
            return
        run = identifier.rpartition("-")[0] if "-" in identifier else identifier
        last = self.last_of_run.get(run)
        self.last_of_run[run] = sequence if last is None else max(last, sequence)
        if last is not None and last >= sequence:
            self.order_findings += 1
            detail = f"record `{identifier}` comes again, or after one that was written later"
            self.report.find("order", number, None, detail)

    def conclude(self):
        find, size = self.report.find, self.newest.size
        for kept in self.kept:
            known = kept.checkpoint.size
            if kept.elsewhere and known > size:
                find("rollback", size, None, f"the log was known to have {known} entries and has {size}")
        if self.missing:
            find("missing", self.missing[0], None, self.missing[1])
        if not self.missing and self.from_entries.root() == self.newest.root:
            # The signed root is that of the entries, so it is the tile that was changed.
            if self.tile:
                find("tile", None, None, f"{self.tile}; the entries are those that were signed")
        elif self.differs is not None:
            signed = self.from_tiles.root() == self.newest.root
            whose = "the tree that was signed" if signed else "its tile"
            find("entry", self.differs, None, f"{whose} has another one")
        elif not self.missing:
            before = min(self.disagreed or self.rewritten or size, size)
            detail = "the entries and the tiles agree with each other and not with what was signed"
            find("root", self.agreed, before, detail)
        if self.rewritten is not None:
            first, before = self.differs, None
            if first is None:
                first, before = self.agreed, min(self.disagreed or self.rewritten, self.rewritten)
            known = f"the checkpoint of {self.rewritten} entries that was kept elsewhere"
            find("rewritten", first, before, f"the log does not continue {known}")


# --- The command


def keys_of(arguments):
    keys = []
    for argument in arguments:
        try:
            keys.append(Key(argument))
        except Fault:
            lines = Path(argument).read_text().split("\n")
            keys += [Key(line) for line in lines if line.strip()]
    return keys


def arguments():
    parser = argparse.ArgumentParser(description="Verify a Portcullis log with public keys alone.")
    parser.add_argument("log", metavar="DIR", help="directory of the log")
    parser.add_argument("--key", action="append", required=True, help="public key of the log, or a file of them")
    parser.add_argument("--witness", action="append", default=[], help="public key of a witness, or a file of them")
    parser.add_argument("--since", action="append", default=[], help="checkpoint that was kept elsewhere")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    return parser.parse_args()


def tell(report, first_bad_entry):
    for finding in report.findings:
        where = "" if finding["first_bad_entry"] is None else f" entry {finding['first_bad_entry']}"
        where += "" if finding["before"] is None else f" or later, before {finding['before']}"
        print(f"{finding['kind']}:{where}: {finding['detail']}".encode(errors="backslashreplace").decode())
    print(f"log {report.origin!r}: {report.size} entries, root {report.root}")
    if not report.findings:
        print(f"{report.checked} entries are those that were signed")
    elif first_bad_entry is not None:
        print(f"first bad entry: {first_bad_entry}")


def main():
    args = arguments()
    try:
        since = [Note(Path(path).read_bytes()) for path in args.since]
        verifier = Verifier(Log(args.log), keys_of(args.key), keys_of(args.witness), since)
    except (Fault, OSError, UnicodeDecodeError, ValueError) as error:
        print(f"error: a key or checkpoint that was given {error}", file=sys.stderr)
        return 2
    report = verifier.run()
    firsts = [finding["first_bad_entry"] for finding in report.findings]
    first_bad_entry = min((first for first in firsts if first is not None), default=None)
    if args.json:
        whole = {"ok": not report.findings, "first_bad_entry": first_bad_entry, **vars(report)}
        print(json.dumps(whole, indent=2))
    else:
        tell(report, first_bad_entry)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
