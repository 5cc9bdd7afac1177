//! Parameters that several resources take, refused in Horizon's own words.
//!
//! Source: `actions/validators.go`, `actions/query_params.go`, `actions/trade.go`.

use super::problem::Problem;
use super::words;
use crate::sandbox::http::Query;
use stellar_xdr::{AccountId, AlphaNum4, AlphaNum12, Asset, AssetCode4, AssetCode12, Hash, PoolId};

const NO_ACCOUNT: &str = "Account ID must start with `G` and contain 56 alphanum characters";
pub(super) const NO_ASSET: &str =
    "Asset must be the string \"native\" or a string of the form \"Code:IssuerAccountID\" for issued assets.";
const NO_ASSET_TYPE: &str = "Asset type must be native, credit_alphanum4 or credit_alphanum12";
const UNKNOWN_ASSET_TYPE: &str = "invalid asset type: was not one of 'native', 'credit_alphanum4', \
                                  'credit_alphanum12', 'liquidity_pool_shares'";
const NO_OFFER_ID: &str = "Offer ID must be an integer higher than 0";
const NO_CODE: &str = "Asset code length is invalid";
const NO_ISSUER: &str = "invalid issuer";

/// A parameter that is there and not empty.
pub(super) fn text<'q>(query: &'q Query, name: &str) -> Option<&'q str> {
    query.get(name).filter(|text| !text.is_empty())
}

/// The account of this address.
pub(super) fn account(address: &str, field: &str) -> Result<AccountId, Problem> {
    words::parse_account(address).ok_or_else(|| Problem::bad_request(field, NO_ACCOUNT))
}

/// The account that a parameter names.
pub(super) fn query_account(query: &Query, name: &str) -> Result<Option<AccountId>, Problem> {
    text(query, name).map(|address| account(address, name)).transpose()
}

/// The pool of this id: 64 lower-case hexadecimal digits.
pub(super) fn pool(id: &str, field: &str) -> Result<PoolId, Problem> {
    let mut bytes = [0; 32];
    let digits = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match hex::decode_to_slice(id, &mut bytes) {
        Ok(()) if digits => Ok(PoolId(Hash(bytes))),
        _ => Err(Problem::bad_request(field, format!("{id} does not validate as sha256"))),
    }
}

/// The id of an offer. One beyond what an offer can have leads nowhere; it is no error.
pub(super) fn offer_id(text: &str) -> Result<i64, Problem> {
    let id: u64 = text.parse().map_err(|_| Problem::bad_request("offer_id", NO_OFFER_ID))?;
    Ok(i64::try_from(id).unwrap_or(i64::MAX))
}

/// A whole number that is not negative.
pub(super) fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, Problem> {
    let refused = |_| Problem::bad_request(name, format!("schema: error converting value for \"{name}\""));
    text(query, name).map(|text| text.parse().map_err(refused)).transpose()
}

/// Reads `CODE:ISSUER`.
pub(super) fn credit_word(word: &str) -> Result<Asset, &'static str> {
    match word.split(':').collect::<Vec<_>>()[..] {
        [code, issuer] => credit(code, issuer),
        _ => Err("missing colon"),
    }
}

/// A credit whose type follows from the length of its code, which Horizon takes as it is.
fn credit(code: &str, issuer: &str) -> Result<Asset, &'static str> {
    let issuer = words::parse_account(issuer).ok_or(NO_ISSUER)?;
    let width = if code.len() <= 4 { 4 } else { 12 };
    credit_of_width(code, width, issuer).filter(|_| !code.is_empty()).ok_or(NO_CODE)
}

/// A credit of a code of up to four or twelve characters; `None` if it is longer.
pub(super) fn credit_of_width(code: &str, width: usize, issuer: AccountId) -> Option<Asset> {
    let mut padded = [0; 12];
    padded.get_mut(..width)?.get_mut(..code.len())?.copy_from_slice(code.as_bytes());
    let [a, b, c, d, ..] = padded;
    Some(match width {
        4 => Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4([a, b, c, d]), issuer }),
        _ => Asset::CreditAlphanum12(AlphaNum12 { asset_code: AssetCode12(padded), issuer }),
    })
}

fn is_asset_type(word: &str) -> bool {
    matches!(word, "native" | "credit_alphanum4" | "credit_alphanum12")
}

/// `{prefix}asset_type`, `{prefix}asset_code` and `{prefix}asset_issuer`.
struct Parts<'q> {
    kind: &'q str,
    code: &'q str,
    issuer: &'q str,
}

impl<'q> Parts<'q> {
    fn of(query: &'q Query, prefix: &str) -> Self {
        let part = |name: &str| query.get(&format!("{prefix}asset_{name}")).unwrap_or("");
        Self { kind: part("type"), code: part("code"), issuer: part("issuer") }
    }

    /// The asset; `None` if no type is given.
    fn build(&self) -> Result<Option<Asset>, &'static str> {
        match self.kind {
            "" => Ok(None),
            "native" => Ok(Some(Asset::Native)),
            _ => credit(self.code, self.issuer).map(Some),
        }
    }
}

/// The base and the counter asset of trades, of which either may be left out.
pub(super) fn base_and_counter(query: &Query) -> Result<(Option<Asset>, Option<Asset>), Problem> {
    for prefix in ["base_", "counter_"] {
        let parts = Parts::of(query, prefix);
        if !parts.kind.is_empty() && !is_asset_type(parts.kind) {
            return Err(Problem::bad_request(&format!("{prefix}asset_type"), NO_ASSET_TYPE));
        }
        query_account(query, &format!("{prefix}asset_issuer"))?;
    }
    let build = |prefix: &str| {
        let name = format!("{prefix}asset");
        let parts = Parts::of(query, prefix);
        parts.build().map_err(|reason| Problem::bad_request(&name, format!("invalid {name}: {reason}")))
    };
    Ok((build("base_")?, build("counter_")?))
}

/// The asset that offers sell or buy (`side` is `selling` or `buying`), in either of the two forms.
pub(super) fn side_of_offers(query: &Query, side: &str) -> Result<Option<Asset>, Problem> {
    let word = text(query, side);
    let parts = Parts::of(query, &format!("{side}_"));
    if word.is_some() && !parts.kind.is_empty() {
        return Err(Problem::bad_request(
            &format!("{side}_asset_type"),
            format!(
                "Ambiguous parameter, you can't include both `{side}` and `{side}_asset_type`. Remove all parameters \
                 of the form `{side}_`"
            ),
        ));
    }
    check_parts(&parts, side)?;
    match word {
        Some("native") => Ok(Some(Asset::Native)),
        Some(word) => credit_word(word).map(Some).map_err(|reason| Problem::bad_request(side, reason)),
        None => parts.build().map_err(|reason| {
            let mut problem = Problem::bad_request("", format!("bad {side} asset: {reason}"));
            problem.extras.remove("invalid_field");
            problem
        }),
    }
}

/// Whether the parts of an asset fit each other (`validateAssetParams`).
fn check_parts(parts: &Parts<'_>, side: &str) -> Result<(), Problem> {
    let refuse = |part: &str, reason: &str| Err(Problem::bad_request(&format!("{side}_asset_{part}"), reason));
    let longest = match parts.kind {
        "" if parts.code.is_empty() && parts.issuer.is_empty() => return Ok(()),
        "" => return refuse("type", "Missing parameter"),
        "native" if !parts.code.is_empty() => return refuse("code", "native asset does not have a code"),
        "native" if !parts.issuer.is_empty() => return refuse("issuer", "native asset does not have an issuer"),
        "native" => return Ok(()),
        "credit_alphanum4" => 4,
        "credit_alphanum12" => 12,
        _ => return refuse("type", UNKNOWN_ASSET_TYPE),
    };
    if !(1..=longest).contains(&parts.code.len()) {
        return refuse("code", "Asset code must be 1-12 alphanumeric characters");
    }
    if parts.issuer.is_empty() {
        return refuse("issuer", "Missing parameter");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const ISSUER: &str = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";

    fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> (String, String) {
        let extras = result.unwrap_err().extras;
        let word = |name: &str| extras.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        (word("invalid_field"), word("reason"))
    }

    #[test]
    fn an_asset_of_offers_is_read_in_both_forms() {
        let side = |query: &str| side_of_offers(&Query::parse(query), "selling").unwrap();
        let usdc = side(&format!("selling=USDC:{ISSUER}"));
        let parts =
            format!("selling_asset_type=credit_alphanum4&selling_asset_code=USDC&selling_asset_issuer={ISSUER}");
        assert!(usdc.is_some());
        assert_eq!(usdc, side(&parts));
        assert_eq!(side("selling=native"), Some(Asset::Native));
        assert_eq!(side("selling_asset_type=native"), Some(Asset::Native));
        assert_eq!(side(""), None);
    }

    #[test]
    fn an_asset_of_offers_that_cannot_be_is_refused_by_its_part() {
        let field = |query: &str| refused(side_of_offers(&Query::parse(query), "selling")).0;
        assert_eq!(field("selling=native&selling_asset_type=native"), "selling_asset_type");
        assert_eq!(field("selling=USDC"), "selling");
        assert_eq!(field("selling_asset_code=USDC"), "selling_asset_type");
        assert_eq!(field("selling_asset_type=gold"), "selling_asset_type");
        assert_eq!(field("selling_asset_type=native&selling_asset_code=X"), "selling_asset_code");
        assert_eq!(field("selling_asset_type=credit_alphanum4&selling_asset_code=TOOLONG"), "selling_asset_code");
        assert_eq!(field("selling_asset_type=credit_alphanum4&selling_asset_code=USDC"), "selling_asset_issuer");
    }

    #[test]
    fn a_pair_of_trades_that_cannot_be_is_refused() {
        let pair = |query: &str| refused(base_and_counter(&Query::parse(query)));
        assert_eq!(pair("base_asset_type=gold"), ("base_asset_type".into(), NO_ASSET_TYPE.into()));
        assert_eq!(pair("counter_asset_issuer=GOLD"), ("counter_asset_issuer".into(), NO_ACCOUNT.into()));
        let no_code = format!("base_asset_type=credit_alphanum4&base_asset_issuer={ISSUER}");
        assert_eq!(pair(&no_code), ("base_asset".into(), format!("invalid base_asset: {NO_CODE}")));
    }

    #[test]
    fn ids_are_read_as_horizon_reads_them() {
        assert_eq!(pool(&"0a".repeat(32), "id").unwrap(), PoolId(Hash([10; 32])));
        assert_eq!(refused(pool(&"0A".repeat(32), "id")).0, "id");
        assert_eq!(refused(pool("0a", "id")).1, "0a does not validate as sha256");
        assert_eq!(offer_id("7").unwrap(), 7);
        assert_eq!(refused(offer_id("-7")), ("offer_id".into(), NO_OFFER_ID.into()));
    }
}
