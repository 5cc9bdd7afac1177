"""Drives a sandbox through stellar-sdk from PyPI, unmodified, as a trading firm would.

    run.py URL [SUBJECT…]

Every subject has accounts of its own and keeps its promises one after the other; subjects run side by side, except for
the last, which breaks things for everybody. Exits 1 with the promises that were not kept. No time is asserted: only
that what should come does, within the patience of world.py.
"""

import logging
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

from accounts import Accounts
from asynchronous import Asynchronous
from faults import Faults
from paging import Paging
from paths import Paths
from pools import Pools
from refusals import Refusals
from rpc import Rpc
from streams import Streams
from trading import Trading
from transactions import Transactions
from world import World

SIDE_BY_SIDE = [Accounts, Trading, Streams, Paths, Pools, Transactions, Refusals, Asynchronous, Paging, Rpc]
ALONE = [Faults]
printing = threading.Lock()


def say(text: str, to=sys.stdout) -> None:
    with printing:
        print(text, file=to, flush=True)


def keep(subject: type, url: str) -> bool:
    """Keeps a subject's promises: its public methods, in the order in which they are written."""
    name = subject.__name__.lower()
    promise = "it begins"
    try:
        instance = subject(World(url))
        for method in [method for method in vars(subject) if not method.startswith("_")]:
            promise = method.replace("_", " ")
            getattr(instance, method)()
            say(f"ok - {name}: {promise}")
        return True
    except Exception:
        say(f"FAILED - {name}: {promise}\n{traceback.format_exc()}", sys.stderr)
        return False


def main() -> int:
    url = sys.argv[1].rstrip("/")
    wanted = sys.argv[2:]
    chosen = [s for s in SIDE_BY_SIDE if not wanted or s.__name__.lower() in wanted]
    with ThreadPoolExecutor(len(SIDE_BY_SIDE)) as together:
        kept = list(together.map(lambda subject: keep(subject, url), chosen))
    kept += [keep(s, url) for s in ALONE if not wanted or s.__name__.lower() in wanted]
    say(f"{sum(kept)} of {len(kept)} subjects kept their promises")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: run.py URL [SUBJECT…]")
    # The SDK's stream threads may still wait for an answer; they end with the process.
    logging.disable(logging.WARNING)
    status = main()
    sys.stdout.flush()
    sys.exit(status)
