"""Damages files the way people and programs do: tokens, structure, bytes and encodings.

More than the default: LOCOUNT_FUZZ=5000; others than before: LOCOUNT_SEED=5000.
"""

import json
import os
import random
import re
import signal
from contextlib import contextmanager

EXAMPLES = int(os.environ.get("LOCOUNT_FUZZ", 25))
FIRST = int(os.environ.get("LOCOUNT_SEED", 0))
LIMIT = 5  # seconds of the processor, for one input

TOKEN = re.compile(rb'"[^"\n]*"|[\w.+-]+|[^\w\s]')
ODD = [
    *(b"", b"0", b"-1", b"1", b"3.5", b"1e999", b"nan", b"Infinity", b"null", b"true", b"1" * 30),
    *(
        b"9" * 400,
        b"'",
        b'"',
        b"\\ud800",
        b'"\\ud800"',
        b"../../a.jpg",
        b"/etc/hostname",
        b"..\\a.jpg",
    ),
    *(
        b"\0",
        b"\xff",
        b"\xe2\x80\x8b",
        b"\r",
        b"\n",
        b"\xef\xbb\xbf",
        b"[" * 3000,
        b"{",
        b"]",
        b"<a>",
    ),
    *(b"&lol;", b"*a", b"&a [*a]", b"<!DOCTYPE a>", b"cup", b" ", b",", b"count", b"images", b"id"),
]
VALUES = [
    *(None, True, -1, 0, 1, 2.5, 10**400, 2**63, float("nan"), float("inf"), "", " ", "\ud800"),
    *("7", "a\0b", "../a.jpg", "/etc/hostname", "a.jpg", "./a.jpg", [], {}, [[[]]], {"count": 2}),
]


def survive(function, times=EXAMPLES):
    """Call ``function`` with one ``random.Random`` after another; a failure names its seed.

    No library is asked for examples: with small files it would take most of the time, and
    remember all of them.
    """
    for seed in range(FIRST, FIRST + times):
        try:
            with _limit():
                function(random.Random(seed))
        except BaseException as error:
            error.add_note(f"with LOCOUNT_SEED={seed} LOCOUNT_FUZZ=1")
            raise


@contextmanager
def _limit():
    def stop(number, frame):
        raise TimeoutError(f"took over {LIMIT} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def mutate(random, data):
    """``data`` with one to three faults; ``random`` is a ``random.Random``."""
    for _ in range(random.randint(1, 3)):
        data = random.choice([_token, _token, _json, _bytes, _encoding])(random, data)
    return data


def _token(random, data):
    """One token becomes another, odd one, twice itself, or one from elsewhere in the file."""
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return random.choice(ODD)
    token = random.choice(tokens)
    other = random.choice([random.choice(ODD), token[0] * 2, random.choice(tokens)[0]])
    return data[: token.start()] + other + data[token.end() :]


def _json(random, data):
    """A node of the tree is replaced, removed, or repeated; other files get a token."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _token(random, data)
    places = list(_places(tree))
    if not places:
        return data
    node, key = random.choice(places)
    if random.random() < 0.2:
        del node[key]
    elif isinstance(node, list) and random.random() < 0.3:
        node.append(node[key])
    else:
        node[key] = random.choice(VALUES)
    return json.dumps(tree).encode()


def _places(tree):
    """Every node of a tree but its root, as its parent and its key there."""
    for key in (
        tree if isinstance(tree, dict) else range(len(tree) if isinstance(tree, list) else 0)
    ):
        yield tree, key
        yield from _places(tree[key])


def _bytes(random, data):
    """A span is cut out, repeated, or has a bit flipped; or the rest is missing."""
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice([1, 2, 20, len(data)]))
    flipped = bytes([data[start] ^ (1 << random.randrange(8))]) if start < len(data) else b""
    middle = random.choice([b"", data[start:end] * 2, flipped + data[start + 1 : end]])
    return data[:start] + middle + data[end:]


def _encoding(random, data):
    """The same text as Windows or an old program writes it."""
    text = data.decode("utf-8", "replace")
    codec = random.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
    return text.replace("\n", "\r\n").encode(codec, "replace")
