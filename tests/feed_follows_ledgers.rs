//! The feed, given recorded streams in pieces, tells exactly what a slow and separate reading of the full decode says
//! it should: for markets and accounts picked from each recording.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;
mod slow_reference;

use recorded::{beside, committed, ledgers_of, marked, network_of};
use slow_reference::{Fact, decoded_facts};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use stellar_connector::events::{
    ConnId, FeedEvent, LedgerBegin, LedgerEnd, MonoNanos, NetEvent, Now, OfferChange, OwnAccount, OwnTransaction,
    OwnTrustLine, PoolChange, Stage, Stamped, Trade, TradeVenue, TxOutcome,
};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, SourceConfig};
use stellar_connector::stellar::{
    AccountId, AccountIndex, Asset, AssetCode, LedgerSeq, Market, MarketId, MarketTable, OfferId, Orientation, Price,
    SequenceNumber, Side, Stroops, TxHash,
};
use stellar_connector::wire::ledger::ChangePhase;
use stellar_xdr::{LedgerCloseMeta, Limits, ReadXdr, WriteXdr};

/// What a recording is about.
struct Subject {
    markets: Vec<(Vec<u8>, Vec<u8>)>,
    accounts: Vec<[u8; 32]>,
    table: Arc<MarketTable>,
}

#[test]
fn the_feed_tells_what_the_decode_says_of_every_recorded_ledger() {
    let mut seen = HashMap::new();
    let beside = beside();
    for path in committed().iter().chain(&beside) {
        follow(path, &mut seen);
    }
    println!("{seen:?}");
    // Trust lines are given up in the recordings beside the repository only.
    let beside_only = if beside.is_empty() { &[][..] } else { &["TrustLineGone"] };
    let kinds = [
        "Offer",
        "OfferGone",
        "Account",
        "TrustLine",
        "Pool",
        "Trade",
        "OwnTransaction",
        "LedgerEnd",
        "failed operation",
        "taker",
        "maker",
        "fee bump",
    ];
    for kind in kinds.iter().chain(beside_only) {
        assert!(seen.get(*kind).is_some_and(|count| *count > 5), "too few of {kind}: {seen:?}");
    }
}

fn follow(path: &Path, seen: &mut HashMap<&'static str, u32>) {
    let mut ledgers = Vec::new();
    ledgers_of(path, |_, bytes| ledgers.push(bytes.to_vec()));
    let decode =
        |bytes: &Vec<u8>| decoded_facts(&LedgerCloseMeta::from_xdr(bytes, Limits::none()).unwrap(), network_of(path));
    let facts: Vec<Vec<Fact>> = ledgers.iter().map(decode).collect();
    let subject = subject_of(&facts);
    let config = FeedConfig {
        network: network_of(path),
        markets: Arc::clone(&subject.table),
        accounts: subject.accounts.iter().copied().map(AccountId).collect(),
        sources: vec![SourceConfig::CoreMeta],
        limits: FeedLimits::default(),
    };
    let mut feed = Feed::new(&config).unwrap();
    let mut told = Vec::new();
    feed.on_event(at(0), NetEvent::Opened(ConnId(0)), &mut told);
    for (index, (bytes, facts)) in ledgers.iter().zip(&facts).enumerate() {
        let stream = marked(bytes);
        // Pieces of all sizes; most come in the size of a socket's buffer.
        let piece = [65_536, 1_461, 4_096, stream.len()][index % 4];
        for bytes in stream.chunks(piece) {
            feed.on_event(at(index as u64), NetEvent::Bytes(ConnId(0), bytes), &mut told);
        }
        let expected = expected_events(&subject, facts, MonoNanos(index as u64), seen);
        let up = (index == 0).then_some(FeedEvent::FeedUp(ConnId(0)));
        let expected = up.into_iter().chain(expected);
        let expected: Vec<_> = expected.map(|event| Stamped { wire: MonoNanos(index as u64), event }).collect();
        if let Some(at) = (0..told.len().max(expected.len())).find(|&i| told.get(i) != expected.get(i)) {
            panic!("{}, ledger {index}, event {at}: {:?} for {:?}", path.display(), told.get(at), expected.get(at));
        }
        told.clear();
    }
    assert_eq!(feed.counters(ConnId(0)).handed_down, ledgers.len() as u64);
}

fn at(nanos: u64) -> Now {
    Now { mono: MonoNanos(nanos), ..Now::default() }
}

/// The pairs that trade most, and the accounts that do most.
fn subject_of(facts: &[Vec<Fact>]) -> Subject {
    let mut pairs: HashMap<(Vec<u8>, Vec<u8>), u32> = HashMap::new();
    let mut accounts: HashMap<[u8; 32], u32> = HashMap::new();
    for fact in facts.iter().flatten() {
        match fact {
            Fact::Claim { sold, bought, .. } => {
                let (a, b) = (sold.0.clone(), bought.0.clone());
                *pairs.entry((a.clone().min(b.clone()), a.max(b))).or_default() += 1;
            }
            Fact::Envelope { source, .. } => *accounts.entry(*source).or_default() += 1,
            Fact::Source { source, .. } => *accounts.entry(*source).or_default() += 2,
            _ => {}
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().filter(|((a, b), _)| a != b).collect();
    pairs.sort_by_key(|(pair, count)| (u32::MAX - count, pair.clone()));
    // Every second market the other way round.
    let markets: Vec<_> =
        pairs.into_iter().take(6).zip(0_u32..).map(|((pair, _), at)| turned(pair, at % 2 == 1)).collect();
    let mut accounts: Vec<_> = accounts.into_iter().collect();
    accounts.sort_by_key(|(key, count)| (u32::MAX - count, *key));
    let accounts = accounts.into_iter().take(5).map(|(key, _)| key).collect();
    let table: Vec<_> = markets.iter().map(|(base, quote)| Market { base: asset(base), quote: asset(quote) }).collect();
    Subject { markets, accounts, table: Arc::new(MarketTable::new(&table).unwrap()) }
}

fn turned<T>((a, b): (T, T), turn: bool) -> (T, T) {
    if turn { (b, a) } else { (a, b) }
}

fn asset(xdr: &[u8]) -> Asset {
    match stellar_xdr::Asset::from_xdr(xdr, Limits::none()).unwrap() {
        stellar_xdr::Asset::Native => Asset::Native,
        stellar_xdr::Asset::CreditAlphanum4(a) => {
            Asset::Credit { code: AssetCode::Four(a.asset_code.0), issuer: issuer(&a.issuer) }
        }
        stellar_xdr::Asset::CreditAlphanum12(a) => {
            Asset::Credit { code: AssetCode::Twelve(a.asset_code.0), issuer: issuer(&a.issuer) }
        }
    }
}

fn issuer(account: &stellar_xdr::AccountId) -> AccountId {
    AccountId(account.to_xdr(Limits::none()).unwrap()[4..].try_into().unwrap())
}

impl Subject {
    fn account(&self, key: &[u8; 32]) -> Option<AccountIndex> {
        let at = self.accounts.iter().position(|account| account == key)?;
        Some(AccountIndex(u16::try_from(at).unwrap()))
    }

    fn place(&self, selling: &[u8], buying: &[u8]) -> Option<Orientation> {
        self.markets.iter().zip(0..).find_map(|((base, quote), id)| {
            let side = match (selling == base && buying == quote, selling == quote && buying == base) {
                (true, _) => Side::Ask,
                (_, true) => Side::Bid,
                _ => return None,
            };
            Some(Orientation { market: MarketId(id), side })
        })
    }

    fn line(&self, key: &[u8; 32], line: Option<&Vec<u8>>) -> Option<(AccountIndex, Asset)> {
        let known = |line: &&Vec<u8>| self.markets.iter().any(|(base, quote)| [base, quote].contains(line));
        Some((self.account(key)?, line.filter(known).map(|line| asset(line))?))
    }
}

/// A transaction of ours as its envelope shows it: inner hash, source, operations' sources.
type Own = ([u8; 32], Option<AccountIndex>, HashMap<u32, Option<AccountIndex>>);

fn expected_events(
    subject: &Subject,
    facts: &[Fact],
    first_byte: MonoNanos,
    seen: &mut HashMap<&'static str, u32>,
) -> Vec<FeedEvent> {
    let mut events = Vec::new();
    let (mut transactions, mut failed) = (0, 0);
    let mut own: HashMap<[u8; 32], Own> = HashMap::new();
    let (mut sources, mut current) = (HashMap::new(), None);
    let mut begin = None;
    // Account, its newest phase and state, in the order of their first appearance.
    let mut states: Vec<(AccountIndex, ChangePhase, Option<OwnAccount>)> = Vec::new();
    let mut count = |kind| *seen.entry(kind).or_default() += 1;
    for fact in facts {
        match fact {
            Fact::Header { seq, protocol, close_time_s, base_fee, base_reserve, .. } => {
                begin = Some(LedgerBegin {
                    seq: LedgerSeq(*seq),
                    close_time_s: *close_time_s,
                    protocol: *protocol,
                    base_fee: *base_fee,
                    base_reserve: *base_reserve,
                    first_byte,
                });
                events.extend(begin.map(FeedEvent::LedgerBegin));
            }
            Fact::Source { operation, source } => {
                sources.insert(*operation, subject.account(source));
            }
            Fact::Envelope { source, fee_source, hash, outer_hash } => {
                let sources = std::mem::take(&mut sources);
                let source = subject.account(source);
                let pays = fee_source.is_some_and(|key| subject.account(&key).is_some());
                if source.is_some() || pays || sources.values().any(Option::is_some) {
                    own.insert(*outer_hash, (*hash, source, sources));
                }
            }
            Fact::Transaction { hash, fee, code, inner } => {
                transactions += 1;
                failed += u32::from(*code < 0);
                current = own.get(hash).cloned();
                if let Some((inner_hash, ..)) = &current {
                    count("OwnTransaction");
                    if let Some((inner, _)) = inner {
                        assert_eq!(inner, inner_hash, "the envelope's inner hash is not the result's");
                        count("fee bump");
                    }
                    let code = inner.map_or(*code, |(_, code)| code);
                    let outcome =
                        if code == 0 { TxOutcome::Success } else { TxOutcome::Failed { code, operation: None } };
                    let (hash, fee_charged) = (TxHash(*inner_hash), Stroops(*fee));
                    events.push(FeedEvent::OwnTransaction(OwnTransaction { hash, outcome, fee_charged }));
                }
            }
            Fact::Failed { operation, outer, inner } => {
                if let (Some(_), Some(FeedEvent::OwnTransaction(own))) = (&current, events.last_mut()) {
                    count("failed operation");
                    let TxOutcome::Failed { operation: place, .. } = &mut own.outcome else { panic!("it succeeded") };
                    *place = Some((u8::try_from(*operation).unwrap(), inner.unwrap_or(outer - 1000)));
                }
            }
            Fact::Claim { undone: false, operation, seller, offer, sold, bought } => {
                let Some(place) = subject.place(&sold.0, &bought.0) else { continue };
                let (base, quote) = if place.side == Side::Ask { (sold.1, bought.1) } else { (bought.1, sold.1) };
                let maker = subject.account(seller);
                let venue = match offer {
                    Some(id) => TradeVenue::Book { offer: OfferId(*id), maker },
                    None => TradeVenue::Pool,
                };
                let taker =
                    current.as_ref().and_then(|(_, source, named)| named.get(operation).copied().unwrap_or(*source));
                count("Trade");
                maker.inspect(|_| count("maker"));
                taker.inspect(|_| count("taker"));
                let (base, quote) = (Stroops(base), Stroops(quote));
                let (market, maker_side) = (place.market, place.side);
                events.push(FeedEvent::Trade(Trade { market, maker_side, base, quote, venue, taker }));
            }
            Fact::Claim { .. } => {}
            Fact::Offer { seller, id, pair, amount, price, .. } => {
                let Some(place) = subject.place(&pair[0], &pair[1]) else { continue };
                count("Offer");
                events.push(FeedEvent::Offer(OfferChange {
                    id: OfferId(*id),
                    place,
                    price: Price::new(price.0, price.1).unwrap(),
                    amount: Stroops(*amount),
                    owner: subject.account(seller),
                }));
            }
            Fact::OfferGone { id, pair, .. } => {
                if pair.as_ref().is_none_or(|[selling, buying]| subject.place(selling, buying).is_some()) {
                    count("OfferGone");
                    events.push(FeedEvent::OfferGone(OfferId(*id)));
                }
            }
            Fact::Account { phase, key, numbers } => {
                if let Some(account) = subject.account(key) {
                    newer(&mut states, account, *phase, Some(own_account(account, numbers)));
                }
            }
            Fact::AccountGone { phase, key } => {
                if let Some(account) = subject.account(key) {
                    newer(&mut states, account, *phase, None);
                }
            }
            Fact::TrustLine { key, asset, numbers, .. } => {
                let Some((account, asset)) = subject.line(key, asset.as_ref()) else { continue };
                count("TrustLine");
                events.push(FeedEvent::TrustLine(OwnTrustLine {
                    account,
                    asset: subject.table.asset(&asset).unwrap(),
                    balance: Stroops(numbers[0]),
                    limit: Stroops(numbers[1]),
                    buying_liabilities: Stroops(numbers[3]),
                    selling_liabilities: Stroops(numbers[4]),
                    authorized: numbers[2] & 1 == 1,
                }));
            }
            Fact::TrustLineGone { key, asset, .. } => {
                let Some((account, asset)) = subject.line(key, asset.as_ref()) else { continue };
                count("TrustLineGone");
                events.push(FeedEvent::TrustLineGone(account, subject.table.asset(&asset).unwrap()));
            }
            Fact::Pool { pair, numbers, .. } => {
                let Some(place) = subject.place(&pair[0], &pair[1]) else { continue };
                let (base, quote) =
                    if place.side == Side::Ask { (numbers[1], numbers[2]) } else { (numbers[2], numbers[1]) };
                count("Pool");
                events.push(FeedEvent::Pool(PoolChange {
                    market: place.market,
                    base_reserve: Stroops(base),
                    quote_reserve: Stroops(quote),
                    fee_bp: u32::try_from(numbers[0]).unwrap(),
                }));
            }
            Fact::PoolGone { .. } => {}
        }
    }
    for (account, _, state) in states {
        count("Account");
        events.push(state.map_or(FeedEvent::AccountGone(account), FeedEvent::Account));
    }
    count("LedgerEnd");
    events.push(FeedEvent::LedgerEnd(LedgerEnd { seq: begin.unwrap().seq, transactions, failed }));
    events
}

/// All fees come before everything else, in each ledger; later words are newer within a phase.
fn newer(
    states: &mut Vec<(AccountIndex, ChangePhase, Option<OwnAccount>)>,
    account: AccountIndex,
    phase: ChangePhase,
    state: Option<OwnAccount>,
) {
    match states.iter_mut().find(|(known, ..)| *known == account) {
        None => states.push((account, phase, state)),
        Some(known) if known.1 <= phase => (known.1, known.2) = (phase, state),
        Some(_) => {}
    }
}

fn own_account(account: AccountIndex, numbers: &[i64; 7]) -> OwnAccount {
    OwnAccount {
        account,
        balance: Stroops(numbers[0]),
        sequence: SequenceNumber(numbers[1]),
        subentries: u32::try_from(numbers[2]).unwrap(),
        buying_liabilities: Stroops(numbers[3]),
        selling_liabilities: Stroops(numbers[4]),
        sponsored: u32::try_from(numbers[5]).unwrap(),
        sponsoring: u32::try_from(numbers[6]).unwrap(),
    }
}
