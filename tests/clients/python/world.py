"""What the subjects share: a sandbox to talk to, accounts that act, and ways to say what was expected."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import zip_longest

import requests
from stellar_sdk import Asset, Keypair, Server, SorobanServer, TransactionBuilder
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.operation import ChangeTrust, CreateAccount, Payment

PATIENCE_S = 60
# What the SDK's documentation uses.
TIMEOUT_S = 30


class World:
    """A sandbox, as one client sees it."""

    def __init__(self, url: str):
        self.url = url
        self.server = Server(url)
        self.rpc = SorobanServer(f"{url}/rpc")
        self.passphrase = self.server.root().call()["network_passphrase"]

    def hasty(self, **options) -> Server:
        """A server that does not ask again on its own, and gives up as told."""
        return Server(self.url, client=RequestsClient(num_retries=0, **options))

    def friendbot(self, account_id: str) -> requests.Response:
        return requests.get(f"{self.url}/friendbot", params={"addr": account_id}, timeout=PATIENCE_S)

    def funded(self) -> "Actor":
        """An account from friendbot."""
        actor = Actor(self, Keypair.random())
        answer = self.friendbot(actor.id)
        assert answer.status_code == 200, answer.text
        return actor

    def actors(self, count: int, lumens: str = "1000") -> list["Actor"]:
        """So many accounts, made in one transaction."""
        founder = self.funded()
        actors = [Actor(self, Keypair.random()) for _ in range(count)]
        founder.do(*[CreateAccount(actor.id, lumens) for actor in actors])
        return actors

    def page(self, builder) -> list[dict]:
        """The records of one page."""
        return records(builder.call())

    def latest(self) -> int:
        return int(self.server.ledgers().order(desc=True).limit(1).call()["_embedded"]["records"][0]["sequence"])

    def passes_ledgers(self, count: int) -> None:
        """Waits for so many ledgers."""
        goal = self.latest() + count
        until(f"ledger {goal} closes", lambda: self.latest() >= goal)


class Actor:
    """An account, and the key that signs for it."""

    def __init__(self, world: World, key: Keypair):
        self.world = world
        self.key = key
        self.id = key.public_key
        self._account = None

    @property
    def account(self):
        if self._account is None:
            self._account = self.world.server.load_account(self.id)
        return self._account

    def forget(self) -> None:
        """Forgets the sequence number; it is loaded again when needed."""
        self._account = None

    def envelope(self, *operations, fee=100, source=None, signers=(), passphrase=None, shape=None):
        """A signed transaction. `shape` may add to it; signers are keys beside the account's own."""
        builder = TransactionBuilder(source or self.account, passphrase or self.world.passphrase, base_fee=fee)
        for operation in operations:
            builder.append_operation(operation)
        if shape:
            shape(builder)
        if builder.time_bounds is None:
            builder.set_timeout(TIMEOUT_S)
        envelope = builder.build()
        for key in (self.key, *[getattr(signer, "key", signer) for signer in signers]):
            envelope.sign(key)
        return envelope

    def do(self, *operations, **options) -> dict:
        """Submits a transaction of these operations, and returns it as it was applied."""
        try:
            answer = self.world.server.submit_transaction(self.envelope(*operations, **options))
        except Exception:
            # Whether it took a sequence number depends on where it failed.
            self.forget()
            raise
        assert answer["successful"] is True, answer
        return answer

    def state(self) -> dict:
        return self.world.server.accounts().account_id(self.id).call()

    def line(self, asset: Asset) -> dict | None:
        """The balance line of an asset."""
        for line in self.state()["balances"]:
            if asset.is_native() and line["asset_type"] == "native":
                return line
            if line.get("asset_code") == asset.code and line.get("asset_issuer") == asset.issuer:
                return line
        return None

    def balance(self, asset: Asset | None = None) -> Decimal:
        return Decimal(self.line(asset or Asset.native())["balance"])

    def sequence(self) -> int:
        return int(self.state()["sequence"])


def market(world: World, traders: int, *codes: str, holding: str = "1000", lumens: str = "1500"):
    """An issuer, its assets, and traders who hold some of each."""
    issuer, *holders = world.actors(traders + 1, lumens)
    assets = [Asset(code, issuer.id) for code in codes]
    together(*[lambda who=who: who.do(*[ChangeTrust(asset) for asset in assets]) for who in holders])
    issuer.do(*[Payment(who.id, asset, holding) for who in holders for asset in assets])
    return issuer, assets, holders


def together(*calls) -> list:
    """Makes these calls at once; what they return, in order."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [made.result() for made in [pool.submit(call) for call in calls]]


def records(page: dict) -> list[dict]:
    return page["_embedded"]["records"]


def until(what: str, condition):
    """Waits until the condition holds, and returns what it then is."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {PATIENCE_S} s in vain until {what}"
        time.sleep(0.1)
    return found


def same(found, expected, what: str = "") -> None:
    """That two values are the same; numbers of different kinds by value."""
    if isinstance(expected, Decimal):
        found = Decimal(found)
    assert found == expected, f"{what or 'value'} is {found!r}, not {expected!r}"


def holds(found: dict, **expected) -> None:
    """That a record has these members."""
    for name, value in expected.items():
        assert name in found, f"{name} is missing in {found}"
        same(found[name], value, name)


def refused(kind: type, call, *codes: str, status: int | None = None):
    """That a call ends in this error of the SDK: with the transaction's code first, then the operations'."""
    try:
        answer = call()
    except kind as error:
        same(type(error), kind, "the error's type")
        if status:
            same(error.status, status, "its status")
        if codes:
            told = (error.extras or {}).get("result_codes")
            assert told, f"no result codes in {error.message}"
            found = [told["transaction"], *told.get("operations", [])]
            for place, (code, wanted) in enumerate(zip_longest(found, codes)):
                same(code, wanted, f"result code {place} of {found}")
        return error
    raise AssertionError(f"{kind.__name__} was expected, with {codes or status}, but this came: {answer}")
