//! Candles: trades of a pair, by spans of time.
//!
//! Unlike other collections this one is paged by time: the link to the next page moves `start_time` or `end_time` on, and
//! a cursor has no effect. So it is an object of its own, as it is in Horizon, which does not stream it either.
//!
//! Source: `actions/trade.go`, `db2/history/trade_aggregation.go`, `resourceadapter/trade_aggregation.go`.

mod candle;
mod dust;

use super::page::encode;
use super::past::link;
use super::trades::has_traded;
use super::{Chain, Order, Page, Problem, Target, parameters};
use crate::sandbox::history::Trade;
use crate::sandbox::http::Query;
use candle::Candle;
use serde_json::{Value, json};
use stellar_xdr::Asset;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A minute, 5 and 15 minutes, an hour, a day, a week.
const RESOLUTIONS_MS: [i64; 6] = [60_000, 300_000, 900_000, HOUR_MS, DAY_MS, 7 * DAY_MS];

const NO_RESOLUTION: &str = "illegal or missing resolution. allowed resolutions are: 1 minute (60000), 5 minutes \
                             (300000), 15 minutes (900000), 1 hour (3600000), 1 day (86400000) and 1 week (604800000)";
const NO_OFFSET: &str = "illegal or missing offset. offset must be a multiple of an hour, less than or equal to the \
                         resolution, and less than 24 hours";
const NO_END: &str = "illegal end time. adjusted end time must be greater than the offset and greater than the provided \
                      start time";

pub(crate) fn trade_aggregations(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let page = Page::parse(&target.query)?;
    if page.cursor.as_deref() != Some("now") {
        page.pair()?;
    }
    let wanted = Wanted::parse(&target.query)?;
    for (asset, other, name) in
        [(&wanted.base, &wanted.counter, "base_asset"), (&wanted.counter, &wanted.base, "counter_asset")]
    {
        if !has_traded(chain, asset, other) {
            return Err(Problem { extras: Problem::bad_request(name, "not found").extras, ..Problem::not_found() });
        }
    }
    let span = wanted.span()?;
    let candles = candles(chain, &wanted, &span, &page);
    Ok(body(target, &page, &wanted, &candles))
}

/// What is asked for. Times are milliseconds since 1970; 0 is none.
struct Wanted {
    base: Asset,
    counter: Asset,
    resolution_ms: i64,
    offset_ms: i64,
    start_ms: i64,
    end_ms: i64,
}

/// The time that whole candles are asked of: from the first to before the second.
struct Span {
    start_ms: i64,
    end_ms: Option<i64>,
}

impl Wanted {
    fn parse(query: &Query) -> Result<Self, Problem> {
        let unsigned = |name: &str| {
            let number: Option<u64> = parameters::number(query, name)?;
            Ok::<i64, Problem>(number.map_or(0, |number| i64::try_from(number).unwrap_or(i64::MAX)))
        };
        let (offset_ms, resolution_ms) = (unsigned("offset")?, unsigned("resolution")?);
        let time = |name: &str| Ok::<i64, Problem>(parameters::number(query, name)?.unwrap_or(0));
        let (start_ms, end_ms) = (time("start_time")?, time("end_time")?);
        let (base, counter) = parameters::base_and_counter(query)?;
        let missing = |field: &str| Problem::bad_request(field, "Missing required field");
        let base = base.ok_or_else(|| missing("base_asset_type"))?;
        let counter = counter.ok_or_else(|| missing("counter_asset_type"))?;
        if !RESOLUTIONS_MS.contains(&resolution_ms) {
            return Err(Problem::bad_request("resolution", NO_RESOLUTION));
        }
        if offset_ms % HOUR_MS != 0 || offset_ms >= DAY_MS || offset_ms > resolution_ms {
            return Err(Problem::bad_request("offset", NO_OFFSET));
        }
        Ok(Self { base, counter, resolution_ms, offset_ms, start_ms, end_ms })
    }

    /// No candle is shown in part: the start is rounded up, the end down.
    fn span(&self) -> Result<Span, Problem> {
        let start_ms = match self.start_ms {
            0 => 0,
            start => self.floor(start.max(self.offset_ms).saturating_add(self.resolution_ms - 1)),
        };
        if self.end_ms == 0 {
            return Ok(Span { start_ms, end_ms: None });
        }
        let end_ms = Some(self.end_ms).filter(|end| *end >= self.offset_ms).map(|end| self.floor(end));
        match end_ms.filter(|end| *end >= start_ms) {
            Some(end) => Ok(Span { start_ms, end_ms: Some(end).filter(|end| *end != 0) }),
            None => Err(Problem::bad_request("end_time", NO_END)),
        }
    }

    /// When the candle of this moment begins.
    fn floor(&self, at_ms: i64) -> i64 {
        (at_ms - self.offset_ms) / self.resolution_ms * self.resolution_ms + self.offset_ms
    }
}

fn candles(chain: &Chain<'_>, wanted: &Wanted, span: &Span, page: &Page) -> Vec<Candle> {
    let trades = chain.history.trades_of_pair(&wanted.base, &wanted.counter);
    let inside = trades.filter(|trade| {
        let at_ms = at_ms(trade);
        at_ms >= span.start_ms && span.end_ms.is_none_or(|end| at_ms < end) && !dust::is_left_out(chain, trade)
    });
    match page.order {
        Order::Asc => grouped(inside, wanted, page.limit),
        Order::Desc => grouped(inside.rev(), wanted, page.limit),
    }
}

fn at_ms(trade: &Trade) -> i64 {
    i64::try_from(trade.closed_at_s).unwrap_or(i64::MAX / 1000) * 1000
}

/// The first so many candles of trades that are in order, either way.
fn grouped<'h>(trades: impl Iterator<Item = &'h Trade>, wanted: &Wanted, limit: usize) -> Vec<Candle> {
    let mut candles: Vec<Candle> = Vec::new();
    for trade in trades {
        let begins_ms = wanted.floor(at_ms(trade));
        let turned = if trade.base.asset == wanted.base { trade.clone() } else { trade.flipped() };
        if let Some(candle) = candles.last_mut()
            && candle.begins_ms == begins_ms
        {
            candle.add(&turned);
        } else if candles.len() < limit {
            candles.push(Candle::new(begins_ms, &turned));
        } else {
            break;
        }
    }
    candles
}

/// A page. Its next one is itself if it shows nothing.
fn body(target: &Target, page: &Page, wanted: &Wanted, candles: &[Candle]) -> Value {
    let own = url(target, target.query.pairs());
    let next = candles.last().map_or_else(|| own.clone(), |last| next_url(target, page, wanted, last));
    json!({
        "_links": { "self": link("", &own), "next": link("", &next), "prev": link("", "") },
        "_embedded": { "records": candles.iter().map(Candle::resource).collect::<Vec<_>>() },
    })
}

/// Where the page goes on after its last candle, as Horizon has it: without an end, an ascending page goes on at 0.
fn next_url(target: &Target, page: &Page, wanted: &Wanted, last: &Candle) -> String {
    let (moved, time_ms) = match page.order {
        Order::Asc => ("start_time", (last.begins_ms + wanted.resolution_ms).min(wanted.end_ms)),
        Order::Desc => ("end_time", last.begins_ms.max(wanted.start_ms)),
    };
    let time = time_ms.to_string();
    let mut parameters: Vec<(&str, &str)> = target.query.pairs().filter(|(name, _)| *name != moved).collect();
    parameters.push((moved, &time));
    parameters.sort_unstable();
    url(target, parameters.into_iter())
}

fn url<'q>(target: &Target, parameters: impl Iterator<Item = (&'q str, &'q str)>) -> String {
    let query: Vec<String> = parameters.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{}{mark}{}", target.base_url, target.path, query.join("&"))
}

#[cfg(test)]
mod tests;
