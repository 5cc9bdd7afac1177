//! How Horizon writes amounts, prices, assets, accounts and times.

use crate::sandbox::clock::civil_date;
use serde_json::{Map, Value, json};
use stellar_xdr::{AccountId, AlphaNum4, AlphaNum12, Asset, AssetCode4, AssetCode12, MuxedAccount, PublicKey, Uint256};

/// Stroops as Horizon writes them: seven decimals, always.
pub(crate) fn amount(stroops: i64) -> String {
    let sign = if stroops < 0 { "-" } else { "" };
    let stroops = stroops.unsigned_abs();
    format!("{sign}{}.{:07}", stroops / 10_000_000, stroops % 10_000_000)
}

/// A sum of amounts, which may be more than one amount can be.
pub(crate) fn amount_of_sum(stroops: u128) -> String {
    format!("{}.{:07}", stroops / 10_000_000, stroops % 10_000_000)
}

/// A price as Horizon writes it: seven decimals, rounded half up.
pub(crate) fn price(n: i64, d: i64) -> String {
    let (n, d) = (i128::from(n), i128::from(d).max(1));
    let scaled = (n * 10_000_000 * 2 + d) / (2 * d);
    format!("{}.{:07}", scaled / 10_000_000, scaled % 10_000_000)
}

/// A price's exact fraction.
pub(crate) fn price_r(n: i32, d: i32) -> Value {
    json!({"n": n, "d": d})
}

/// An account's address.
pub(crate) fn account(id: &AccountId) -> String {
    let PublicKey::PublicKeyTypeEd25519(Uint256(key)) = &id.0;
    stellar_strkey::ed25519::PublicKey(*key).to_string().as_str().to_owned()
}

/// Reads a `G…` address.
pub(crate) fn parse_account(text: &str) -> Option<AccountId> {
    let key = stellar_strkey::ed25519::PublicKey::from_string(text).ok()?;
    Some(AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(key.0))))
}

/// Writes an address under `name`; a multiplexed one also under `name_muxed`, with its id under `name_muxed_id`.
pub(crate) fn put_address(into: &mut Map<String, Value>, name: &str, address: &MuxedAccount) {
    into.insert(name.into(), json!(account(&crate::sandbox::history::account_of(address))));
    if let MuxedAccount::MuxedEd25519(muxed) = address {
        let address = stellar_strkey::ed25519::MuxedAccount { ed25519: muxed.ed25519.0, id: muxed.id };
        into.insert(format!("{name}_muxed"), json!(address.to_string().as_str()));
        into.insert(format!("{name}_muxed_id"), json!(muxed.id.to_string()));
    }
}

/// An asset's type, code and issuer; the latter two are empty for lumens.
pub(crate) fn asset_parts(asset: &Asset) -> (&'static str, String, String) {
    match asset {
        Asset::Native => ("native", String::new(), String::new()),
        Asset::CreditAlphanum4(credit) => ("credit_alphanum4", code(&credit.asset_code.0), account(&credit.issuer)),
        Asset::CreditAlphanum12(credit) => ("credit_alphanum12", code(&credit.asset_code.0), account(&credit.issuer)),
    }
}

fn code(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// An asset as one word: `native`, or `CODE:ISSUER`.
pub(crate) fn asset_word(asset: &Asset) -> String {
    match asset_parts(asset) {
        (_, code, _) if code.is_empty() => "native".into(),
        (_, code, issuer) => format!("{code}:{issuer}"),
    }
}

/// Writes an asset as `{prefix}asset_type`, `{prefix}asset_code`, `{prefix}asset_issuer`.
pub(crate) fn put_asset(into: &mut Map<String, Value>, prefix: &str, asset: &Asset) {
    let (kind, code, issuer) = asset_parts(asset);
    into.insert(format!("{prefix}asset_type"), json!(kind));
    if *asset != Asset::Native {
        into.insert(format!("{prefix}asset_code"), json!(code));
        into.insert(format!("{prefix}asset_issuer"), json!(issuer));
    }
}

/// An asset as an object of its own.
pub(crate) fn asset_object(asset: &Asset) -> Value {
    let mut object = Map::new();
    put_asset(&mut object, "", asset);
    Value::Object(object)
}

/// A credit of this code and issuer, if they can be one's.
pub(crate) fn credit(code: &str, issuer: &str) -> Option<Asset> {
    let issuer = parse_account(issuer)?;
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut bytes = [0; 12];
    bytes.get_mut(..code.len())?.copy_from_slice(code.as_bytes());
    Some(if code.len() <= 4 {
        let [a, b, c, d, ..] = bytes;
        Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4([a, b, c, d]), issuer })
    } else {
        Asset::CreditAlphanum12(AlphaNum12 { asset_code: AssetCode12(bytes), issuer })
    })
}

/// Reads `native` or `CODE:ISSUER`.
pub(crate) fn parse_asset_word(word: &str) -> Option<Asset> {
    if word == "native" {
        return Some(Asset::Native);
    }
    let (code, issuer) = word.split_once(':')?;
    credit(code, issuer)
}

/// Seconds since 1970 as RFC 3339.
pub(crate) fn time(seconds: u64) -> String {
    let days = seconds / 86_400;
    let (year, month, day) = civil_date(days);
    let of_day = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_prices_and_times_read_as_horizons() {
        assert_eq!(amount(1), "0.0000001");
        assert_eq!(amount(i64::MAX), "922337203685.4775807");
        assert_eq!(amount(-15_000_000), "-1.5000000");
        assert_eq!(price(1, 3), "0.3333333");
        assert_eq!(price(2, 3), "0.6666667");
        assert_eq!(price(i64::from(i32::MAX), 1), "2147483647.0000000");
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(time(1_700_000_000), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn an_asset_survives_its_word() {
        let issuer = account(&AccountId(PublicKey::PublicKeyTypeEd25519(Uint256([7; 32]))));
        for word in ["native".to_owned(), format!("USDC:{issuer}"), format!("LONGERCODE12:{issuer}")] {
            assert_eq!(asset_word(&parse_asset_word(&word).unwrap()), word);
        }
        assert_eq!(parse_asset_word(&format!("TOOLONGACODE1:{issuer}")), None);
        assert_eq!(parse_asset_word("USDC:GNOBODY"), None);
    }
}
