"""Stellar RPC, through the SDK's SorobanServer."""

from stellar_sdk import Asset, Keypair, TransactionEnvelope
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.exceptions import AccountNotFoundException, SorobanRpcErrorResponse
from stellar_sdk.operation import ChangeTrust, Payment
from stellar_sdk.soroban_rpc import GetTransactionStatus, SendTransactionStatus

from world import Actor, World, refused, same

LUMENS = Asset.native()
TRIES = 10


def account_key(account_id: str) -> stellar_xdr.LedgerKey:
    account = stellar_xdr.LedgerKeyAccount(Keypair.from_public_key(account_id).xdr_account_id())
    return stellar_xdr.LedgerKey(stellar_xdr.LedgerEntryType.ACCOUNT, account=account)


class Rpc:
    def __init__(self, world: World):
        self.world = world
        self.rpc = world.rpc
        self.payer, self.friend, self.issuer = world.actors(3)

    def _payment(self, **options) -> TransactionEnvelope:
        return self.payer.envelope(Payment(self.friend.id, LUMENS, "1"), **options)

    def _sent(self, envelope):
        return self.rpc.send_transaction(envelope)

    def _applied(self, hash_: str):
        return self.rpc.poll_transaction(hash_, max_attempts=60)

    def it_says_who_it_is_and_how_it_fares(self):
        health = self.rpc.get_health()
        same(health.status, "healthy")
        assert health.oldest_ledger <= health.latest_ledger, health
        assert health.ledger_retention_window > 0, health
        network = self.rpc.get_network()
        same(network.passphrase, self.world.passphrase)
        same(network.friendbot_url, f"{self.world.url}/friendbot", "friendbot's address")
        version = self.rpc.get_version_info()
        same(version.protocol_version, network.protocol_version, "the protocol")

    def the_latest_ledger_is_horizons_too(self):
        latest = self.rpc.get_latest_ledger()
        header = stellar_xdr.LedgerHeader.from_xdr(latest.header_xdr)
        same(header.ledger_seq.uint32, latest.sequence, "the ledger in its header")
        stellar_xdr.LedgerCloseMeta.from_xdr(latest.metadata_xdr)
        known = self.world.server.ledgers().ledger(latest.sequence).call()
        same(known["hash"], latest.id, "its hash")
        same(known["header_xdr"], latest.header_xdr, "its header")

    def ledgers_are_told_page_by_page(self):
        start = self.rpc.get_latest_ledger().sequence
        self.world.passes_ledgers(5)
        page = self.rpc.get_ledgers(start_ledger=start, limit=2)
        same([ledger.sequence for ledger in page.ledgers], [start, start + 1], "the first page")
        page = self.rpc.get_ledgers(cursor=page.cursor, limit=3)
        same([ledger.sequence for ledger in page.ledgers], [start + 2, start + 3, start + 4], "the second page")
        for ledger in page.ledgers:
            entry = stellar_xdr.LedgerHeaderHistoryEntry.from_xdr(ledger.header_xdr)
            same(entry.hash.hash.hex(), ledger.hash, "the hash in its header")
            same(entry.header.ledger_seq.uint32, ledger.sequence, "the ledger in its header")
            stellar_xdr.LedgerCloseMeta.from_xdr(ledger.metadata_xdr)
        assert page.oldest_ledger <= start <= page.latest_ledger, page

    def a_transaction_is_sent_and_found(self):
        self.payer._account = self.rpc.load_account(self.payer.id)
        payment = self._payment()
        sent = self._sent(payment)
        same((sent.status, sent.hash), (SendTransactionStatus.PENDING, payment.hash_hex()), "the answer")
        self.found = self._applied(sent.hash)
        same(
            (self.found.status, self.found.transaction_hash),
            (GetTransactionStatus.SUCCESS, sent.hash),
            "what was found",
        )
        same(self.found.envelope_xdr, payment.to_xdr(), "the envelope")
        same(self.found.fee_bump, False)
        result = stellar_xdr.TransactionResult.from_xdr(self.found.result_xdr)
        same(result.result.code, stellar_xdr.TransactionResultCode.txSUCCESS, "the result")
        stellar_xdr.TransactionMeta.from_xdr(self.found.result_meta_xdr)
        known = self.world.server.transactions().transaction(sent.hash).call()
        same(known["ledger"], self.found.ledger, "the ledger")
        assert self.found.oldest_ledger <= self.found.ledger <= self.found.latest_ledger, self.found

    def transactions_are_told_page_by_page(self):
        page = self.rpc.get_transactions(start_ledger=self.found.ledger, limit=200)
        hashes = [transaction.transaction_hash for transaction in page.transactions]
        assert self.found.transaction_hash in hashes, hashes
        walked, cursor = [], None
        while len(walked) < len(hashes):
            some = (
                self.rpc.get_transactions(cursor=cursor, limit=2)
                if cursor
                else self.rpc.get_transactions(self.found.ledger, limit=2)
            )
            assert some.transactions, f"only {len(walked)} of {len(hashes)} transactions came"
            walked += [transaction.transaction_hash for transaction in some.transactions]
            cursor = some.cursor
        same(walked[: len(hashes)], hashes, "transactions, page by page")

    def a_transaction_that_fails_is_found_too(self):
        self.payer.forget()
        sent = self._sent(self.payer.envelope(Payment(self.friend.id, LUMENS, "100000")))
        same(sent.status, SendTransactionStatus.PENDING)
        found = self._applied(sent.hash)
        same(found.status, GetTransactionStatus.FAILED)
        result = stellar_xdr.TransactionResult.from_xdr(found.result_xdr).result
        same(result.code, stellar_xdr.TransactionResultCode.txFAILED, "the result")

    def what_is_not_known_is_not_found(self):
        found = self.rpc.get_transaction("ab" * 32)
        same((found.status, found.transaction_hash), (GetTransactionStatus.NOT_FOUND, "ab" * 32), "what was found")

    def a_bad_transaction_is_an_error_with_its_result(self):
        self.payer.forget()
        self.payer.account.sequence += 5
        sent = self._sent(self._payment())
        self.payer.forget()
        same(sent.status, SendTransactionStatus.ERROR)
        result = stellar_xdr.TransactionResult.from_xdr(sent.error_result_xdr).result
        same(result.code, stellar_xdr.TransactionResultCode.txBAD_SEQ, "the result")

    def the_same_again_is_a_duplicate_and_another_is_to_come_later(self):
        # Three requests may fall into two ledgers, though not every time.
        for _ in range(TRIES):
            self.payer.forget()
            first, second = self._payment(), self._payment()
            statuses = [self._sent(envelope).status for envelope in (first, first, second)]
            same(statuses[0], SendTransactionStatus.PENDING, "the first status")
            self._applied(first.hash_hex())
            if statuses[1:] == [SendTransactionStatus.DUPLICATE, SendTransactionStatus.TRY_AGAIN_LATER]:
                return
            if statuses[2] == SendTransactionStatus.PENDING:
                self._applied(second.hash_hex())
        raise AssertionError(f"in {TRIES} tries the last statuses were {statuses}")

    def entries_are_read(self):
        asset = Asset("EUR", self.issuer.id)
        Actor(self.world, self.friend.key).do(ChangeTrust(asset, "123"))
        line = stellar_xdr.LedgerKeyTrustLine(self.friend.key.xdr_account_id(), asset.to_trust_line_asset_xdr_object())
        trust = stellar_xdr.LedgerKey(stellar_xdr.LedgerEntryType.TRUSTLINE, trust_line=line)
        nobody = account_key(Keypair.random().public_key)
        answer = self.rpc.get_ledger_entries([account_key(self.friend.id), trust, nobody])
        entries = {entry.key: stellar_xdr.LedgerEntryData.from_xdr(entry.xdr) for entry in answer.entries}
        same(len(entries), 2, "the number of entries")
        account = entries[account_key(self.friend.id).to_xdr()].account
        same(account.seq_num.sequence_number.int64, self.friend.sequence(), "the sequence number")
        same(entries[trust.to_xdr()].trust_line.limit.int64, 1_230_000_000, "the limit of the line")
        refused(AccountNotFoundException, lambda: self.rpc.load_account(Keypair.random().public_key))

    def fees_are_told(self):
        fees = self.rpc.get_fee_stats()
        assert fees.inclusion_fee.min >= 100 and fees.inclusion_fee.max >= fees.inclusion_fee.p50, fees
        same(fees.soroban_inclusion_fee.transaction_count, 0, "transactions with contracts")

    def wrong_questions_are_refused(self):
        for ask in (
            lambda: self.rpc.get_ledgers(start_ledger=1 << 30),
            lambda: self.rpc.get_transactions(start_ledger=1 << 30),
            lambda: self.rpc.get_ledgers(cursor="nowhere"),
            lambda: self.rpc.get_transaction("nohash"),
            lambda: self.rpc.get_ledgers(start_ledger=0),
            lambda: self.rpc.send_transaction("AAAA"),
        ):
            error = refused(SorobanRpcErrorResponse, ask)
            assert error.code <= -32000, error.code
            assert error.message, "an error says what is wrong"
