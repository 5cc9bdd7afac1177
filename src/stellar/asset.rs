//! Accounts and assets.

use core::fmt;
use core::str::FromStr;

/// An account's Ed25519 public key (`AccountID`). Printed and read as a strkey, `G…` (SEP-23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct AccountId(pub [u8; 32]);

/// An asset's code: one to twelve ASCII letters or digits, zero-padded as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetCode {
    /// One to four characters (`ASSET_TYPE_CREDIT_ALPHANUM4`).
    Four([u8; 4]),
    /// Five to twelve characters (`ASSET_TYPE_CREDIT_ALPHANUM12`).
    Twelve([u8; 12]),
}

/// What is traded: the native lumen, or a code of an issuer. The order is the protocol's (`Asset` XDR union).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// XLM.
    Native,
    /// A credit: two assets with one code and different issuers have nothing to do with each other.
    Credit {
        /// Its code.
        code: AssetCode,
        /// The account that issues it.
        issuer: AccountId,
    },
}

/// Why a text is no asset or account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// The account's strkey has a wrong length, prefix or checksum.
    #[error("'{0}' is not a Stellar account: 56 characters that begin with G are wanted")]
    Account(String),
    /// The code is empty, longer than twelve characters, or not alphanumeric.
    #[error("'{0}' is not an asset code: 1 to 12 letters or digits are wanted")]
    Code(String),
    /// Neither `XLM` nor `CODE:ISSUER`.
    #[error("'{0}' is not an asset: write XLM, or CODE:ISSUER")]
    Form(String),
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(stellar_strkey::ed25519::PublicKey(self.0).to_string().as_str())
    }
}

impl FromStr for AccountId {
    type Err = AssetError;

    fn from_str(text: &str) -> Result<Self, AssetError> {
        stellar_strkey::ed25519::PublicKey::from_string(text)
            .map(|key| Self(key.0))
            .map_err(|_| AssetError::Account(text.into()))
    }
}

impl AssetCode {
    /// The code without its padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let padded: &[u8] = match self {
            Self::Four(code) => code,
            Self::Twelve(code) => code,
        };
        let len = padded.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &padded[..len]
    }
}

impl fmt::Display for AssetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl FromStr for AssetCode {
    type Err = AssetError;

    fn from_str(text: &str) -> Result<Self, AssetError> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(AssetError::Code(text.into()));
        }
        match bytes.len() {
            1..=4 => {
                let mut code = [0; 4];
                code[..bytes.len()].copy_from_slice(bytes);
                Ok(Self::Four(code))
            }
            5..=12 => {
                let mut code = [0; 12];
                code[..bytes.len()].copy_from_slice(bytes);
                Ok(Self::Twelve(code))
            }
            _ => Err(AssetError::Code(text.into())),
        }
    }
}

impl Asset {
    /// The code, `XLM` for the native asset.
    #[must_use]
    pub fn code(&self) -> AssetCode {
        match self {
            Self::Native => AssetCode::Four(*b"XLM\0"),
            Self::Credit { code, .. } => *code,
        }
    }

    /// The issuer; the native asset has none.
    #[must_use]
    pub fn issuer(&self) -> Option<AccountId> {
        match self {
            Self::Native => None,
            Self::Credit { issuer, .. } => Some(*issuer),
        }
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.pad("XLM"),
            Self::Credit { code, issuer } => write!(f, "{code}:{issuer}"),
        }
    }
}

impl FromStr for Asset {
    type Err = AssetError;

    fn from_str(text: &str) -> Result<Self, AssetError> {
        if text == "XLM" || text == "native" {
            return Ok(Self::Native);
        }
        let (code, issuer) = text.split_once(':').ok_or_else(|| AssetError::Form(text.into()))?;
        Ok(Self::Credit { code: code.parse()?, issuer: issuer.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_read_back_as_printed() {
        for text in ["XLM", "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"] {
            assert_eq!(text.parse::<Asset>().map(|asset| asset.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_asset_is_named() {
        assert!(matches!("USDC".parse::<Asset>(), Err(AssetError::Form(_))));
        assert!(matches!("USDC:GABC".parse::<Asset>(), Err(AssetError::Account(_))));
        assert!(matches!("TOOLONGACODE1:GABC".parse::<Asset>(), Err(AssetError::Code(_))));
        assert!(matches!("U$D:GABC".parse::<Asset>(), Err(AssetError::Code(_))));
    }
}
