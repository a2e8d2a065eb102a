"""Checks exported logs by PyPI's pymerkle: roots and proofs from the entries alone. It knows no notes and
no tiles. Nothing of the product links it; it is a program that tests run.

Usage: merkle.py [-seen NOTE]... FOLDER..."""

import base64

from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from common import TILE_WIDTH, given_proofs, need, run, sample


def read_head(text):
    origin, size, root = text.partition("\n\n")[0].split("\n")
    return origin, int(size), base64.b64decode(root, validate=True)


def read_entries(folder, size):
    entries = []
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        groups, rest = [f"{number % 1000:03}"], number // 1000
        while rest:
            groups, rest = [f"x{rest % 1000:03}", *groups], rest // 1000
        name = "/".join(groups) + ("" if width == TILE_WIDTH else f".p/{width}")
        data, at = (folder / "tile/entries" / name).read_bytes(), 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at:at + 2])
            entries.append(data[at + 2:end])
            at = end
        need(at == len(data), f"{name} is cut short")
    need(len(entries) == size, f"{len(entries)} entries, the checkpoint says {size}")
    return entries


def check_given(folder, tree):
    """Inclusion proofs must be pymerkle's own, without the leaf that it puts first. It composes consistency
    proofs otherwise than RFC 9162; of those only the root is compared."""
    count = 0
    for kind, name, number, hashes, note in given_proofs(folder):
        _, size, root = read_head(note)
        need(tree.get_root(size) == root, f"{name} is of another root")
        if kind == "inclusion":
            need(tree.prove_inclusion(number + 1, size).path[1:] == hashes, f"{name}: another proof than pymerkle makes")
            count += 1
    return count


def check(folder, seen, _quorum):
    _, size, root = read_head((folder / "checkpoint").read_text())
    entries = read_entries(folder, size)
    tree = InmemoryTree.init_from_entries(entries, algorithm="sha256")
    need(tree.get_root() == root, "the checkpoint has another root")
    earlier = [*sorted(folder.glob("checkpoints/*")), *seen]
    for path in earlier:
        _, old, old_root = read_head(path.read_text())
        need(old <= size, f"{path} has {old} entries, this log {size}: entries were dropped")
        need(tree.get_root(old) == old_root, f"{path} contradicts this log: history was rewritten")
    indices, sizes = sample(size, 300), sample(size, 24)
    for index in indices:
        verify_inclusion(tree.get_leaf(index), root, tree.prove_inclusion(index))
    for old in sizes:
        verify_consistency(tree.get_root(old), root, tree.prove_consistency(old))
    given = check_given(folder, tree)
    return f"size={size} history={len(earlier)} inclusion={len(indices)} consistency={len(sizes)} given={given}"


run(check)
