//! The first ledger of a network.

use ed25519_dalek::SigningKey;
use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountId, LedgerEntry, LedgerEntryData, LedgerEntryExt, PublicKey, SequenceNumber,
    String32, Thresholds, Uint256, VecM,
};

use crate::stellar::{NetworkId, STANDALONE_PASSPHRASE};

use super::header::genesis_header;
use super::store::Store;

/// 100 billion XLM, in stroops.
const TOTAL_COINS: i64 = 1_000_000_000_000_000_000;

/// What a network begins with. The default is what a real one begins with: protocol 0, a base reserve of 10 XLM and 100
/// operations a ledger, which the second ledger then upgrades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisConfig {
    /// The network's passphrase. The root account's key has its SHA-256 as seed.
    pub passphrase: String,
    /// The protocol of ledger 1.
    pub protocol: u32,
    /// The base fee of ledger 1, in stroops.
    pub base_fee: u32,
    /// The base reserve of ledger 1, in stroops.
    pub base_reserve: u32,
    /// How many operations a ledger takes.
    pub max_tx_set_size: u32,
    /// How many operations a ledger takes of transactions that trade; `None` if they have no limit of their own.
    pub max_dex_operations: Option<u32>,
    /// A transaction whose time bounds end less than this after the last close is refused, in seconds. Core allows for two
    /// ledgers.
    pub close_time_slack_s: u64,
}

impl Default for GenesisConfig {
    fn default() -> Self {
        let header = genesis_header(TOTAL_COINS);
        Self {
            passphrase: STANDALONE_PASSPHRASE.to_owned(),
            protocol: header.ledger_version,
            base_fee: header.base_fee,
            base_reserve: header.base_reserve,
            max_tx_set_size: header.max_tx_set_size,
            max_dex_operations: None,
            close_time_slack_s: 10,
        }
    }
}

/// The key of a network's root account.
#[must_use]
pub fn root_key(network: NetworkId) -> SigningKey {
    SigningKey::from_bytes(&network.0)
}

/// The account of a key.
#[must_use]
pub fn account_id(key: &SigningKey) -> AccountId {
    AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(key.verifying_key().to_bytes())))
}

/// Ledger 1: a root account that has all coins.
pub(crate) fn genesis(config: &GenesisConfig) -> Store {
    let mut header = genesis_header(TOTAL_COINS);
    header.ledger_version = config.protocol;
    header.base_fee = config.base_fee;
    header.base_reserve = config.base_reserve;
    header.max_tx_set_size = config.max_tx_set_size;
    let mut store = Store::new(header);
    store.put(LedgerEntry {
        last_modified_ledger_seq: 1,
        data: LedgerEntryData::Account(AccountEntry {
            account_id: account_id(&root_key(NetworkId::from_passphrase(&config.passphrase))),
            balance: TOTAL_COINS,
            seq_num: SequenceNumber(0),
            num_sub_entries: 0,
            inflation_dest: None,
            flags: 0,
            home_domain: String32::default(),
            thresholds: Thresholds([1, 0, 0, 0]),
            signers: VecM::default(),
            ext: AccountEntryExt::V0,
        }),
        ext: LedgerEntryExt::V0,
    });
    store
}
