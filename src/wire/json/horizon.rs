//! Horizon's answers that make a snapshot: pages of `/offers`, `/accounts/{id}`, `/liquidity_pools/{id}`
//! (`protocols/horizon/main.go`). They are asked for beside the line, so that a typed reading by serde will do.

use crate::stellar::{AccountId, Asset, LedgerSeq, Market, OfferId, Price, SequenceNumber, Stroops};
use core::fmt::Write as _;
use core::str::FromStr;
use serde::Deserialize;
use std::borrow::Cow;

/// Why an answer is not used. Nothing of it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HorizonError {
    /// Not JSON, or not of the shape that the API has.
    #[error("the answer is not what Horizon gives: {0}")]
    Shape(String),
    /// A value that cannot be: an amount, a price, a key.
    #[error("the answer's {0} cannot be")]
    BadValue(&'static str),
}

/// An offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferRow {
    /// Its id, which is its paging token.
    pub id: OfferId,
    /// Whose it is.
    pub seller: AccountId,
    /// What it sells.
    pub selling: Asset,
    /// What it wants.
    pub buying: Asset,
    /// What it still sells, more than zero.
    pub amount: Stroops,
    /// What it wants for one of what it sells.
    pub price: Price,
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
}

/// An account, without its offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Lumens, with what offers may bring and have promised.
    pub native: Holding,
    /// Sequence number last consumed.
    pub sequence: SequenceNumber,
    /// Offers, trustlines, signers, data.
    pub subentries: u32,
    /// Reserves that it pays for others.
    pub sponsoring: u32,
    /// Reserves that others pay for it.
    pub sponsored: u32,
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
    /// Its trustlines in assets; those in pools' shares are left out.
    pub lines: Vec<LineRow>,
}

/// What is held of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Balance.
    pub balance: Stroops,
    /// What offers may yet bring.
    pub buying_liabilities: Stroops,
    /// What offers have promised.
    pub selling_liabilities: Stroops,
}

/// A trustline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// Of which asset.
    pub asset: Asset,
    /// What is held.
    pub holding: Holding,
    /// The most that may be held.
    pub limit: Stroops,
    /// Whether the issuer lets it trade.
    pub authorized: bool,
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
}

/// A constant-product pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRow {
    /// Its assets and their reserves, in the protocol's order.
    pub reserves: [(Asset, Stroops); 2],
    /// Fee, basis points.
    pub fee_bp: u32,
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
}

/// Reads a page of offers: its rows, in their order.
///
/// # Errors
/// If it is none.
pub fn offers(body: &[u8]) -> Result<Vec<OfferRow>, HorizonError> {
    let page: Page<'_> = read(body)?;
    page.embedded.records.iter().map(OfferRecord::row).collect()
}

/// Reads an account.
///
/// # Errors
/// If it is none.
pub fn account(body: &[u8]) -> Result<AccountRow, HorizonError> {
    let record: AccountRecord<'_> = read(body)?;
    let mut native = Holding::default();
    let mut lines = Vec::with_capacity(record.balances.len());
    for balance in &record.balances {
        let holding = balance.holding()?;
        match &*balance.asset_type {
            "native" => native = holding,
            "liquidity_pool_shares" => {}
            kind => lines.push(LineRow {
                asset: asset(kind, balance.asset_code.as_deref(), balance.asset_issuer.as_deref())?,
                holding,
                limit: parse("limit", balance.limit.as_deref().unwrap_or_default())?,
                authorized: balance.is_authorized,
                modified_in: LedgerSeq(balance.last_modified_ledger),
            }),
        }
    }
    Ok(AccountRow {
        native,
        sequence: SequenceNumber(record.sequence.parse().map_err(|_| HorizonError::BadValue("sequence"))?),
        subentries: record.subentry_count,
        sponsoring: record.num_sponsoring,
        sponsored: record.num_sponsored,
        modified_in: LedgerSeq(record.last_modified_ledger),
        lines,
    })
}

/// Reads a liquidity pool.
///
/// # Errors
/// If it is none.
pub fn pool(body: &[u8]) -> Result<PoolRow, HorizonError> {
    let record: PoolRecord<'_> = read(body)?;
    let [first, second] = &record.reserves;
    let reserve = |reserve: &ReserveRecord<'_>| {
        let asset = if reserve.asset == "native" { Ok(Asset::Native) } else { parse("asset", &reserve.asset) };
        Ok((asset?, parse("amount", &reserve.amount)?))
    };
    Ok(PoolRow {
        reserves: [reserve(first)?, reserve(second)?],
        fee_bp: record.fee_bp,
        modified_in: LedgerSeq(record.last_modified_ledger),
    })
}

/// The path of a page of at most 200 offers that sell one asset for another, after the offer with this id.
#[must_use]
pub fn offers_path(selling: &Asset, buying: &Asset, after: OfferId) -> String {
    let mut path = pair_path("/offers?limit=200", [("selling", selling), ("buying", buying)]);
    if after.0 > 0 {
        // Writing to a string cannot fail.
        let _ = write!(path, "&cursor={}", after.0);
    }
    path
}

/// The path of a market's order book, so many levels a side.
#[must_use]
pub fn order_book_path(market: &Market, levels: usize) -> String {
    pair_path(&format!("/order_book?limit={levels}"), [("selling", &market.base), ("buying", &market.quote)])
}

/// The path of a market's trades, 200 at most, without a cursor.
#[must_use]
pub fn trades_path(market: &Market) -> String {
    pair_path("/trades?limit=200", [("base", &market.base), ("counter", &market.quote)])
}

/// A path whose query begins, with two assets behind it.
fn pair_path(begin: &str, assets: [(&str, &Asset); 2]) -> String {
    let mut path = begin.to_owned();
    for (name, asset) in assets {
        // Writing to a string cannot fail.
        let _ = match (asset.issuer(), asset.code()) {
            (None, _) => write!(path, "&{name}_asset_type=native"),
            (Some(issuer), code) => {
                let kind = if code.as_bytes().len() <= 4 { "credit_alphanum4" } else { "credit_alphanum12" };
                write!(path, "&{name}_asset_type={kind}&{name}_asset_code={code}&{name}_asset_issuer={issuer}")
            }
        };
    }
    path
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, HorizonError> {
    serde_json::from_slice(body).map_err(|error| HorizonError::Shape(error.to_string()))
}

fn parse<T: FromStr>(name: &'static str, text: &str) -> Result<T, HorizonError> {
    text.parse().map_err(|_| HorizonError::BadValue(name))
}

fn asset(kind: &str, code: Option<&str>, issuer: Option<&str>) -> Result<Asset, HorizonError> {
    match (kind, code, issuer) {
        ("native", ..) => Ok(Asset::Native),
        ("credit_alphanum4" | "credit_alphanum12", Some(code), Some(issuer)) => {
            parse("asset", &format!("{code}:{issuer}"))
        }
        _ => Err(HorizonError::BadValue("asset")),
    }
}

#[derive(Deserialize)]
struct Page<'b> {
    #[serde(rename = "_embedded", borrow)]
    embedded: Embedded<'b>,
}

#[derive(Deserialize)]
struct Embedded<'b> {
    #[serde(borrow)]
    records: Vec<OfferRecord<'b>>,
}

#[derive(Deserialize)]
struct OfferRecord<'b> {
    #[serde(borrow)]
    id: Cow<'b, str>,
    #[serde(borrow)]
    seller: Cow<'b, str>,
    #[serde(borrow)]
    selling: AssetRecord<'b>,
    #[serde(borrow)]
    buying: AssetRecord<'b>,
    #[serde(borrow)]
    amount: Cow<'b, str>,
    price_r: Fraction,
    last_modified_ledger: u32,
}

#[derive(Deserialize)]
struct AssetRecord<'b> {
    #[serde(borrow)]
    asset_type: Cow<'b, str>,
    #[serde(borrow)]
    asset_code: Option<Cow<'b, str>>,
    #[serde(borrow)]
    asset_issuer: Option<Cow<'b, str>>,
}

#[derive(Deserialize)]
struct Fraction {
    n: i32,
    d: i32,
}

impl OfferRecord<'_> {
    fn row(&self) -> Result<OfferRow, HorizonError> {
        let asset = |record: &AssetRecord<'_>| {
            asset(&record.asset_type, record.asset_code.as_deref(), record.asset_issuer.as_deref())
        };
        let amount: Stroops = parse("amount", &self.amount)?;
        let id = self.id.parse().map_err(|_| HorizonError::BadValue("id"))?;
        if amount <= Stroops::ZERO || id <= 0 {
            return Err(HorizonError::BadValue("amount or id"));
        }
        Ok(OfferRow {
            id: OfferId(id),
            seller: parse("seller", &self.seller)?,
            selling: asset(&self.selling)?,
            buying: asset(&self.buying)?,
            amount,
            price: Price::new(self.price_r.n, self.price_r.d).map_err(|_| HorizonError::BadValue("price"))?,
            modified_in: LedgerSeq(self.last_modified_ledger),
        })
    }
}

#[derive(Deserialize)]
struct AccountRecord<'b> {
    #[serde(borrow)]
    sequence: Cow<'b, str>,
    subentry_count: u32,
    #[serde(default)]
    num_sponsoring: u32,
    #[serde(default)]
    num_sponsored: u32,
    last_modified_ledger: u32,
    #[serde(borrow)]
    balances: Vec<BalanceRecord<'b>>,
}

#[derive(Deserialize)]
struct BalanceRecord<'b> {
    #[serde(borrow)]
    asset_type: Cow<'b, str>,
    #[serde(borrow)]
    asset_code: Option<Cow<'b, str>>,
    #[serde(borrow)]
    asset_issuer: Option<Cow<'b, str>>,
    #[serde(borrow)]
    balance: Cow<'b, str>,
    #[serde(borrow)]
    limit: Option<Cow<'b, str>>,
    #[serde(borrow)]
    buying_liabilities: Option<Cow<'b, str>>,
    #[serde(borrow)]
    selling_liabilities: Option<Cow<'b, str>>,
    #[serde(default)]
    is_authorized: bool,
    #[serde(default)]
    last_modified_ledger: u32,
}

impl BalanceRecord<'_> {
    fn holding(&self) -> Result<Holding, HorizonError> {
        let liabilities = |text: Option<&str>| parse("liabilities", text.unwrap_or("0"));
        Ok(Holding {
            balance: parse("balance", &self.balance)?,
            buying_liabilities: liabilities(self.buying_liabilities.as_deref())?,
            selling_liabilities: liabilities(self.selling_liabilities.as_deref())?,
        })
    }
}

#[derive(Deserialize)]
struct PoolRecord<'b> {
    fee_bp: u32,
    #[serde(borrow)]
    reserves: [ReserveRecord<'b>; 2],
    last_modified_ledger: u32,
}

#[derive(Deserialize)]
struct ReserveRecord<'b> {
    #[serde(borrow)]
    asset: Cow<'b, str>,
    #[serde(borrow)]
    amount: Cow<'b, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";

    fn page(amount: &str, n: i64) -> String {
        format!(
            r#"{{"_links":{{}},"_embedded":{{"records":[{{"_links":{{}},"id":"165563085","paging_token":"165563085",
            "seller":"{ISSUER}","selling":{{"asset_type":"native"}},"buying":{{"asset_type":"credit_alphanum4",
            "asset_code":"USDC","asset_issuer":"{ISSUER}"}},"amount":"{amount}","price_r":{{"n":{n},"d":100000}},
            "price":"0.1000000","last_modified_ledger":28411995,"last_modified_time":"2020-02-24T21:50:05Z"}}]}}}}"#
        )
    }

    #[test]
    fn an_offer_has_exact_amount_and_price() {
        let rows = offers(page("6.1533020", 9_999).as_bytes()).unwrap();
        let row = rows[0];
        assert_eq!(
            (row.id, row.amount, row.modified_in),
            (OfferId(165_563_085), Stroops(61_533_020), LedgerSeq(28_411_995))
        );
        assert_eq!((row.price, row.selling), (Price::new(9_999, 100_000).unwrap(), Asset::Native));
        assert_eq!(row.buying.to_string(), format!("USDC:{ISSUER}"));
    }

    #[test]
    fn what_cannot_be_is_refused_whole() {
        for (amount, n) in [("0.0000000", 1), ("-1", 1), ("1.00000001", 1), ("x", 1), ("1", 0), ("1", -1)] {
            assert!(matches!(offers(page(amount, n).as_bytes()), Err(HorizonError::BadValue(_))), "{amount} {n}");
        }
        assert!(matches!(offers(page("1", 1 << 40).as_bytes()), Err(HorizonError::Shape(_))));
        for body in ["", "{}", "[]", "{\"_embedded\":{}}", "{\"_embedded\":{\"records\":[{}]}}"] {
            assert!(matches!(offers(body.as_bytes()), Err(HorizonError::Shape(_))), "{body}");
        }
    }

    #[test]
    fn an_account_has_its_lines_and_a_pool_its_reserves() {
        let text = format!(
            r#"{{"id":"{ISSUER}","sequence":"4294967297","subentry_count":3,"last_modified_ledger":7,"num_sponsoring":1,
            "num_sponsored":2,"balances":[{{"balance":"5.0000001","limit":"100.0000000","buying_liabilities":"1.0000000",
            "selling_liabilities":"2.0000000","last_modified_ledger":6,"is_authorized":true,"asset_type":"credit_alphanum4",
            "asset_code":"USDC","asset_issuer":"{ISSUER}"}},{{"balance":"1.0","liquidity_pool_id":"00","limit":"1.0",
            "last_modified_ledger":6,"asset_type":"liquidity_pool_shares"}},{{"balance":"9.0000000","buying_liabilities":
            "0.0000000","selling_liabilities":"3.0000000","asset_type":"native"}}]}}"#
        );
        let row = account(text.as_bytes()).unwrap();
        assert_eq!((row.native.balance, row.native.selling_liabilities), (Stroops(90_000_000), Stroops(30_000_000)));
        assert_eq!(
            (row.sequence, row.subentries, row.sponsoring, row.sponsored),
            (SequenceNumber(4_294_967_297), 3, 1, 2)
        );
        assert_eq!(row.lines.len(), 1);
        assert_eq!((row.lines[0].holding.balance, row.lines[0].limit), (Stroops(50_000_001), Stroops(1_000_000_000)));
        let text = format!(
            r#"{{"id":"00","fee_bp":30,"type":"constant_product","reserves":[{{"asset":"native","amount":"1.0000000"}},
            {{"asset":"USDC:{ISSUER}","amount":"0.0000002"}}],"last_modified_ledger":9}}"#
        );
        let row = pool(text.as_bytes()).unwrap();
        assert_eq!(
            (row.reserves[0], row.reserves[1].1, row.fee_bp),
            ((Asset::Native, Stroops(10_000_000)), Stroops(2), 30)
        );
    }

    #[test]
    fn a_path_names_both_assets_and_goes_on_after_an_offer() {
        let usdc: Asset = format!("USDC:{ISSUER}").parse().unwrap();
        assert_eq!(
            offers_path(&Asset::Native, &usdc, OfferId(0)),
            format!(
                "/offers?limit=200&selling_asset_type=native&buying_asset_type=credit_alphanum4&buying_asset_code=USDC\
                 &buying_asset_issuer={ISSUER}"
            )
        );
        assert!(offers_path(&usdc, &Asset::Native, OfferId(7)).ends_with("&buying_asset_type=native&cursor=7"));
        let market = Market { base: Asset::Native, quote: usdc };
        assert!(
            order_book_path(&market, 1).starts_with("/order_book?limit=1&selling_asset_type=native&buying_asset_type")
        );
        assert!(trades_path(&market).contains("base_asset_type=native&counter_asset_type=credit_alphanum4&counter_"));
    }
}
