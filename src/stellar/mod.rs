//! The protocol's words and arithmetic. Pure: no clock, no socket, no allocation beyond what a caller asks for,
//! and no knowledge of any other room of this crate.

mod amount;
mod asset;
pub mod depth;
pub mod exchange;
mod ids;
mod market;
mod network;
mod price;
pub mod transaction;

pub use amount::{AmountError, STROOPS_PER_UNIT, Stroops};
pub use asset::{AccountId, Asset, AssetCode, AssetError};
pub use ids::{AccountIndex, AssetIndex, LedgerSeq, MarketId, OfferId, SequenceNumber, Side, TxHash};
pub use market::{Market, MarketTable, MarketTableError, Orientation};
pub use network::{NetworkId, PUBLIC_PASSPHRASE, STANDALONE_PASSPHRASE, TESTNET_PASSPHRASE};
pub use price::{Price, PriceError, Rounding};
