"""Checks exported logs by PyPI's tlog-scales: notes of both kinds, every tile, proofs, earlier heads.

Usage: scales.py [-quorum] [-seen NOTE]... FOLDER..."""

import tempfile
from pathlib import Path

from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import DummySigner, Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof
from tlog_scales.writer import TilesWriter

from common import given_proofs, need, run, sample


def read_vkey(text):
    key = Vkey.from_string(text)
    # `from_string` takes any id, and base64 in any form.
    need(Vkey(key.name, None, key.sig_type, key.pubkey).serialize() == text, f"the id of {key.name} is not its key's")
    return key


def open_checkpoint(text, log):
    checkpoint = Checkpoint.from_text(text)
    need(checkpoint.serialize() == text, "the checkpoint is not in its only form")
    need(checkpoint.origin == log.name, f"the checkpoint is not of {log.name}")
    checkpoint.verify(log)
    return checkpoint


def read_policy(folder, log):
    """The witnesses' keys, and how many of them are a quorum: our policies have one group of all."""
    lines = [line.split() for line in (folder / "policy").read_text().splitlines()]
    need(["log", log.serialize()] in lines, "the policy is of another log")
    keys = {line[1]: read_vkey(line[2]) for line in lines if line[0] == "witness"}
    groups = {line[1]: (int(line[2]), line[3:]) for line in lines if line[0] == "group"}
    (quorum,) = [line[1] for line in lines if line[0] == "quorum"]
    if quorum == "none":
        return keys, 0
    least, members = groups[quorum]
    need(sorted(members) == sorted(keys), "the quorum is not of all witnesses")
    need(len({key.pubkey for key in keys.values()} | {log.pubkey}) == len(keys) + 1, "a key that counts twice")
    return keys, least


def cosigners(checkpoint, keys):
    """Which witnesses cosigned. A known one's line that does not hold is refused."""
    cosigned = set()
    for signature in checkpoint.signatures:
        for name, key in keys.items():
            if key.match(signature):
                key.get_verifier().verify_note(signature, checkpoint)
                cosigned.add(name)
    return cosigned


def check_tiles(folder, entries, checkpoint):
    """Writes the log anew from its entries: each file must be the same, and the root."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "log")
        writer = TilesWriter.create(root, checkpoint.origin)
        for entry in entries:
            writer.add_leaf(entry)
        writer.commit([DummySigner(key_id=0)])
        made = [path for path in root.rglob("*") if path.is_file() and path.name != "checkpoint"]
        for path in made:
            name = path.relative_to(root)
            need((folder / name).read_bytes() == path.read_bytes(), f"{name} is not what the entries give")
        need(writer.reader.calculate_root_hash() == checkpoint.root_hash, "the checkpoint has another root")
        return len(made)


def check_history(folder, seen, reader, log, size, keys, least):
    earlier, witnessed = sorted(folder.glob("checkpoints/*")), 0
    for path in [*earlier, *seen]:
        old = open_checkpoint(path.read_text(), log)
        need(path not in earlier or path.name == str(old.size), f"{path.name} is of size {old.size}")
        need(old.size <= size, f"{path} has {old.size} entries, this log {size}: entries were dropped")
        need(reader.mth(0, old.size) == old.root_hash, f"{path} contradicts this log: history was rewritten")
        witnessed += bool(keys) and len(cosigners(old, keys)) >= least
    return f"history={len(earlier) + len(seen)} witnessed={witnessed}"


def check_proofs(reader, entries, size):
    indices, sizes = [n - 1 for n in sample(size, 300)], sample(size, 24)
    for index in indices:
        proof = reader.get_inclusion_proof(index, size)
        proof.check(leaf_hash(entries[index]), reader.calculate_root_hash())
    for old in sizes:
        proof = reader.get_consistency_proof(old, size)
        proof.check(reader.mth(0, old), reader.mth(0, size))
    return f"inclusion={len(indices)} consistency={len(sizes)}"


def check_given(folder, reader, entries, log, whole):
    count = 0
    for kind, name, number, hashes, note in given_proofs(folder):
        head = open_checkpoint(note, log)
        need(number < head.size <= whole or kind == "consistency", f"{name} is of no entry")
        if kind == "inclusion":
            InclusionProof(number, head.size, hashes).check(leaf_hash(entries[number]), head.root_hash)
            made = reader.get_inclusion_proof(number, head.size)
        else:
            ConsistencyProof(number, head.size, hashes).check(reader.mth(0, number), head.root_hash)
            made = reader.get_consistency_proof(number, head.size)
        need(made.node_hashes == hashes, f"{name}: another proof than tlog-scales makes")
        count += 1
    return count


def check(folder, seen, quorum):
    log = read_vkey((folder / "log.vkey").read_text().removesuffix("\n"))
    reader = TilesReader(make_backend(str(folder)))
    checkpoint = open_checkpoint((folder / "checkpoint").read_text(), log)
    reader.set_size(checkpoint.size)
    need((folder / "policy").exists() or not quorum, "no policy")
    keys, least = read_policy(folder, log) if (folder / "policy").exists() else ({}, 0)
    cosigned = len(cosigners(checkpoint, keys))
    need(cosigned >= least or not quorum, f"{cosigned} of {len(keys)} witnesses cosigned: no quorum")
    entries = [reader.get_entry(index) for index in range(checkpoint.size)]
    tiles = check_tiles(folder, entries, checkpoint)
    history = check_history(folder, seen, reader, log, checkpoint.size, keys, least)
    proofs = check_proofs(reader, entries, checkpoint.size)
    given = check_given(folder, reader, entries, log, checkpoint.size)
    return f"size={checkpoint.size} tiles={tiles} {history} cosigned={cosigned} {proofs} given={given}"


run(check)
