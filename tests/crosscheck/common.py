"""What both Python checks read of an export, by the standard library alone."""

import base64
import sys
from pathlib import Path

TILE_WIDTH = 256


class Refused(Exception):
    """The first thing that is wrong with an export."""


def need(holds, text):
    if not holds:
        raise Refused(text)


def sample(n, everything):
    """Sizes up to n: all, or those about the ends of tiles and subtrees and some between."""
    if n <= everything:
        return list(range(1, n + 1))
    powers = [1 << i for i in range(n.bit_length())]
    near = {p + d for power in powers for p in (power, n - power) for d in (-1, 0, 1)}
    return sorted(k for k in near | {n * k // 8 for k in range(1, 9)} if 1 <= k <= n)


def read_proof(path, label):
    """The number after `label`, the hashes, and the checkpoint's text of a proof that our program wrote."""
    head, _, note = path.read_text().partition("\n\n")
    need(head.startswith(label), f"{path} begins otherwise")
    number, *lines = head[len(label):].split("\n")
    return int(number), [base64.b64decode(line, validate=True) for line in lines], note


def given_proofs(folder):
    """(kind, file name, number, hashes, checkpoint) of each proof beside the export."""
    for path in sorted(folder.glob("proofs/*.tlog-proof")):
        yield ("inclusion", path.name, *read_proof(path, "c2sp.org/tlog-proof@v1\nindex "))
    for path in sorted(folder.glob("consistency/*")):
        yield ("consistency", path.name, *read_proof(path, "old "))


def run(check):
    """Checks each folder named on the command line; one line for each, as the Go program prints."""
    arguments, seen, folders, quorum = sys.argv[1:], [], [], False
    while arguments:
        argument = arguments.pop(0)
        if argument == "-seen":
            seen.append(Path(arguments.pop(0)))
        elif argument == "-quorum":
            quorum = True
        else:
            folders.append(Path(argument).resolve())
    code = 0
    for folder in folders:
        try:
            print("ok", folder, check(folder, seen, quorum), flush=True)
        # A refusal may be any exception: each library has its own, and some are plain Python's.
        except Exception as error:
            code = 1
            print(f"refused {folder}: {type(error).__name__}: {error}", flush=True)
    sys.exit(code)
