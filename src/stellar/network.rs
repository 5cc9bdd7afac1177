//! Networks, told apart by the hash of their passphrase.

use sha2::{Digest, Sha256};

/// Passphrase of the public network.
pub const PUBLIC_PASSPHRASE: &str = "Public Global Stellar Network ; September 2015";
/// Passphrase of the test network.
pub const TESTNET_PASSPHRASE: &str = "Test SDF Network ; September 2015";
/// Passphrase of a standalone network, as `stellar/quickstart --local` uses it; the sandbox's default.
pub const STANDALONE_PASSPHRASE: &str = "Standalone Network ; February 2017";

/// SHA-256 of a network's passphrase: part of every signature payload, so that no signature is valid elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct NetworkId(pub [u8; 32]);

impl NetworkId {
    /// The id of the network with this passphrase.
    #[must_use]
    pub fn from_passphrase(passphrase: &str) -> Self {
        Self(Sha256::digest(passphrase.as_bytes()).into())
    }
}
