"""`python -m tests.load.fuzz --seconds 60`: mutated byte streams, the fast path against websockets' own parser.

Longer than the property tests, and blinder: whole streams are built from good frames, then bits are flipped, bytes
are inserted, removed and repeated, and the result is cut anywhere. Ends with status 1 at the first disagreement and
prints what shows it again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from itertools import pairwise

from websockets.protocol import OPEN

from tests.load.test_frames import MAX_SIZE, URI, NotingReceiver, frame, judged_by_websockets
from wstui.load.frames import FrameProtocol, quiet

FIRST = (0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x83)
SIZES = (0, 1, 2, 10, 124, 125, 126, 127, 200, MAX_SIZE - 1, MAX_SIZE, MAX_SIZE + 1)


def stream(rng: random.Random) -> bytes:
    """A few frames, mostly good ones, then a few mutations."""
    data = bytearray()
    for _ in range(rng.randint(1, 8)):
        first = rng.choice((0x81, 0x82)) if rng.random() < 0.6 else rng.choice(FIRST)
        data += frame(first, rng.randbytes(rng.choice(SIZES)), width=rng.choice((0, 0, 0, 2, 8)))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        place = rng.randrange(len(data) or 1)
        match rng.randrange(4):
            case 0 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place:place] = rng.randbytes(rng.randint(1, 4))
            case 2:
                del data[place : place + rng.randint(1, 4)]
            case _:
                data[place:place] = data[place : place + rng.randint(1, 20)]
    return bytes(data)


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    """The stream in chunks of any size."""
    places = sorted({0, len(data), *(rng.randrange(len(data) + 1) for _ in range(rng.randint(0, 6)))})
    return [data[a:b] for a, b in pairwise(places)]


def agree(seed: int) -> bool:
    """Whether both parsers see the same in the stream of this seed, and the fast one keeps its memory."""
    rng = random.Random(seed)
    chunks = cut(stream(rng), rng)
    receiver = NotingReceiver()
    for chunk in chunks:
        receiver.receive(chunk)
        if len(receiver.tail) > MAX_SIZE + 14:
            return False
    judge = FrameProtocol(URI, state=OPEN, max_size=MAX_SIZE, logger=quiet)
    return receiver.outcome() == judged_by_websockets(chunks, judge)


def main() -> int:
    """Run for the time that was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="look at the stream of this seed alone")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 40)
    began, streams = time.monotonic(), 0
    while time.monotonic() - began < options.seconds or not streams:
        if not agree(seed + streams):
            print(f"they disagree: python -m tests.load.fuzz --seed {seed + streams} --seconds 0")
            return 1
        streams += 1
        if options.seed is not None:
            break
    print(f"{streams} streams from seed {seed}: no crash, no difference, memory within max_size")
    return 0


if __name__ == "__main__":
    sys.exit(main())
