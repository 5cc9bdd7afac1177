//! Reference prices: mean-reverting, now and then jumping, in the shape of a Kraken ticker.
//!
//! Deterministic: time is handed in, randomness comes from a seed. Only additions, multiplications and square roots of
//! floating point are used, which give the same bits on every machine.

use super::kraken;
use super::random::Random;
use super::state::ReferenceNotes;
use crate::events::UtcNanos;

/// Decimals of a price.
const PRICE_UNIT: f64 = 1e6;
/// Decimals of a quantity.
const QUANTITY_UNIT: f64 = 1e8;
/// Never farther from its anchor than this, whatever the dice say.
const MAX_DEVIATION: f64 = 0.2;

/// How reference prices move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceConfig {
    /// Where the first symbol (XLM/USD) reverts to, units of quote for one base. Further symbols draw theirs.
    pub anchor: f64,
    /// Nanoseconds between two ticks of the first symbol, at least one. Between two of them one of the others ticks too.
    pub tick_every_ns: u64,
    /// Standard deviation after one second, basis points.
    pub volatility_bp: f64,
    /// Part of the deviation that is undone in a second.
    pub reversion_per_s: f64,
    /// Jumps in a second.
    pub jumps_per_s: f64,
    /// Largest size of a jump, basis points; the smallest is a third of it.
    pub jump_bp: f64,
    /// How far it goes in one direction in a second, basis points, until it turns; 0 for no trend.
    pub trend_bp_per_s: f64,
    /// Turns in a second, of a trend.
    pub turns_per_s: f64,
}

impl Default for ReferenceConfig {
    fn default() -> Self {
        Self {
            anchor: 0.10,
            tick_every_ns: 250_000_000,
            volatility_bp: 2.0,
            reversion_per_s: 0.002,
            jumps_per_s: 1.0 / 45.0,
            jump_bp: 30.0,
            trend_bp_per_s: 0.0,
            turns_per_s: 0.0,
        }
    }
}

impl ReferenceConfig {
    /// It ticks, and stays where it is.
    #[must_use]
    pub fn still() -> Self {
        Self { volatility_bp: 0.0, jumps_per_s: 0.0, ..Self::default() }
    }

    /// It goes up or down by some thirty basis points a minute, for a minute or two, then turns.
    #[must_use]
    pub fn trend() -> Self {
        Self {
            volatility_bp: 1.0,
            reversion_per_s: 0.0,
            jumps_per_s: 0.0,
            trend_bp_per_s: 0.5,
            turns_per_s: 1.0 / 90.0,
            ..Self::default()
        }
    }

    /// It stands nearly still, and every quarter of a minute leaps, by up to eighty basis points.
    #[must_use]
    pub fn jump() -> Self {
        Self { volatility_bp: 0.5, jumps_per_s: 1.0 / 15.0, jump_bp: 80.0, ..Self::default() }
    }
}

/// A change of a reference price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Which symbol: the index of the market that it belongs to.
    pub symbol: usize,
    /// The ticker's data object, JSON.
    pub data: String,
}

impl Tick {
    /// The message as it goes over the wire.
    #[must_use]
    pub fn message(&self) -> String {
        kraken::ticker("update", &self.data)
    }
}

/// All reference prices.
#[derive(Debug)]
pub(crate) struct Reference {
    config: ReferenceConfig,
    random: Random,
    symbols: Vec<Symbol>,
    /// When the first symbol ticks next; zero before the first call.
    next_tick: UtcNanos,
    /// Which of the others ticks with it.
    other: usize,
    other_is_due: bool,
}

impl Reference {
    /// One price for each symbol; the first is anchored by the configuration.
    pub(crate) fn new(config: ReferenceConfig, names: &[String], mut random: Random) -> Self {
        assert!(config.tick_every_ns > 0, "a tick every zero nanoseconds");
        let symbols = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let anchor = if index == 0 { config.anchor } else { 0.5 + 20.0 * random.unit() };
                Symbol::new(name, anchor)
            })
            .collect();
        Self { config, random, symbols, next_tick: UtcNanos(0), other: 0, other_is_due: false }
    }

    /// The next tick that is due at `now`, if one is: call it until it gives none.
    ///
    /// Ticks that were missed (the caller paused) are not made up for: prices have no history to keep.
    pub(crate) fn tick(&mut self, now: UtcNanos) -> Option<Tick> {
        if std::mem::take(&mut self.other_is_due) {
            self.other = self.other % (self.symbols.len() - 1) + 1;
            return Some(self.step(self.other, now));
        }
        if now < self.next_tick {
            return None;
        }
        let regular = UtcNanos(self.next_tick.0.saturating_add(self.config.tick_every_ns));
        self.next_tick =
            if regular > now { regular } else { UtcNanos(now.0.saturating_add(self.config.tick_every_ns)) };
        self.other_is_due = self.symbols.len() > 1;
        Some(self.step(0, now))
    }

    /// When [`tick`](Self::tick) next has something.
    pub(crate) fn next_due(&self) -> UtcNanos {
        if self.other_is_due { UtcNanos(0) } else { self.next_tick }
    }

    /// The middle of a symbol's best prices.
    pub(crate) fn mid(&self, symbol: usize) -> f64 {
        self.symbols[symbol].mid
    }

    /// A symbol's ticker as it is now.
    pub(crate) fn data(&self, symbol: usize, now: UtcNanos) -> String {
        self.symbols[symbol].data(now)
    }

    /// Puts a symbol's price where someone else says that it is.
    pub(crate) fn set_mid(&mut self, symbol: usize, mid: f64) {
        let symbol = &mut self.symbols[symbol];
        symbol.anchor = mid;
        symbol.mid = mid;
    }

    /// What is to be remembered beside the seed; the day's trading is not.
    pub(crate) fn notes(&self) -> ReferenceNotes {
        let falling = self.symbols.iter().enumerate().filter(|(_, symbol)| symbol.falling);
        ReferenceNotes {
            random: self.random.position().to_string(),
            other: self.other,
            mids: self.symbols.iter().map(|symbol| symbol.mid.to_bits()).collect(),
            falling: falling.map(|(index, _)| index).collect(),
        }
    }

    /// Goes on from there; what makes no sense is left as it is.
    pub(crate) fn resume(&mut self, notes: &ReferenceNotes) {
        if let Ok(position) = notes.random.parse() {
            self.random.go_on_from(position);
        }
        self.other = notes.other.min(self.symbols.len() - 1);
        for (index, (symbol, mid)) in self.symbols.iter_mut().zip(&notes.mids).enumerate() {
            let mid = f64::from_bits(*mid);
            if mid.is_finite() && mid > 0.0 {
                symbol.set_mid(mid);
            }
            symbol.falling = notes.falling.contains(&index);
        }
    }

    fn step(&mut self, index: usize, now: UtcNanos) -> Tick {
        let symbol = &mut self.symbols[index];
        symbol.advance(&self.config, &mut self.random, now);
        symbol.trade(&mut self.random);
        Tick { symbol: index, data: symbol.data(now) }
    }
}

/// One symbol's ticker. Prices on the wire are whole micro-units, quantities whole units of 1e-8.
#[derive(Debug)]
pub(crate) struct Symbol {
    name: String,
    anchor: f64,
    mid: f64,
    moved_at: UtcNanos,
    /// Where a trend leads.
    falling: bool,
    bid: i64,
    ask: i64,
    bid_quantity: i64,
    ask_quantity: i64,
    open: i64,
    last: i64,
    low: i64,
    high: i64,
    volume: i64,
    turnover: f64,
    trades: u64,
}

impl Symbol {
    /// A symbol at its anchor, with some trading behind it.
    pub(crate) fn new(name: &str, anchor: f64) -> Self {
        let at = to_units(anchor, PRICE_UNIT);
        let mut symbol = Self {
            name: name.into(),
            anchor,
            mid: anchor,
            moved_at: UtcNanos(0),
            falling: false,
            bid: 0,
            ask: 0,
            bid_quantity: 0,
            ask_quantity: 0,
            open: at,
            last: at,
            low: at,
            high: at,
            volume: to_units(1000.0, QUANTITY_UNIT),
            turnover: 1000.0 * anchor,
            trades: 1,
        };
        symbol.quote(1000.0, 1000.0);
        symbol
    }

    /// Moves the price by what has happened since it last moved.
    fn advance(&mut self, config: &ReferenceConfig, random: &mut Random, now: UtcNanos) {
        let elapsed_s = if self.moved_at.0 == 0 { 0.0 } else { nanos_to_s(now.0.saturating_sub(self.moved_at.0)) };
        self.moved_at = now;
        let deviation = self.mid / self.anchor - 1.0;
        let pull = -(config.reversion_per_s * elapsed_s).min(1.0) * deviation;
        let noise = config.volatility_bp / 1e4 * elapsed_s.sqrt() * random.normal();
        let jump = if random.chance(config.jumps_per_s * elapsed_s) {
            let size = config.jump_bp / 1e4 * (1.0 + 2.0 * random.unit()) / 3.0;
            if random.chance(0.5) { size } else { -size }
        } else {
            0.0
        };
        let trend = if config.trend_bp_per_s == 0.0 { 0.0 } else { self.trend(config, random, elapsed_s, deviation) };
        let deviation = (deviation + pull + noise + jump + trend).clamp(-MAX_DEVIATION, MAX_DEVIATION);
        self.mid = self.anchor * (1.0 + deviation);
        self.quote(200.0 + 20_000.0 * random.unit(), 200.0 + 20_000.0 * random.unit());
    }

    /// How far the trend has led, after it has turned if it was time; half the way to the bound it turns back.
    fn trend(&mut self, config: &ReferenceConfig, random: &mut Random, elapsed_s: f64, deviation: f64) -> f64 {
        if random.chance(config.turns_per_s * elapsed_s) {
            self.falling = !self.falling;
        }
        if deviation.abs() > MAX_DEVIATION / 2.0 {
            self.falling = deviation > 0.0;
        }
        let way = config.trend_bp_per_s / 1e4 * elapsed_s;
        if self.falling { -way } else { way }
    }

    /// The middle of the best prices.
    pub(crate) fn mid(&self) -> f64 {
        self.mid
    }

    /// Puts the price at `mid`, with the tightest spread around it.
    pub(crate) fn set_mid(&mut self, mid: f64) {
        self.mid = mid;
        self.quote(10_000.0, 10_000.0);
    }

    fn quote(&mut self, bid_quantity: f64, ask_quantity: f64) {
        // A basis point wide, and never crossed however coarse the unit is.
        self.bid = to_units(self.mid * (1.0 - 0.5e-4), PRICE_UNIT).max(1);
        self.ask = to_units(self.mid * (1.0 + 0.5e-4), PRICE_UNIT).max(self.bid + 1);
        self.bid_quantity = to_units(bid_quantity, QUANTITY_UNIT);
        self.ask_quantity = to_units(ask_quantity, QUANTITY_UNIT);
    }

    /// A trade at one of the best prices.
    fn trade(&mut self, random: &mut Random) {
        let quantity = 10.0 + 3000.0 * random.unit() * random.unit();
        self.last = if random.chance(0.5) { self.bid } else { self.ask };
        self.low = self.low.min(self.last);
        self.high = self.high.max(self.last);
        self.volume += to_units(quantity, QUANTITY_UNIT);
        self.turnover += quantity * from_units(self.last, PRICE_UNIT);
        self.trades += 1;
    }

    /// The ticker's data object.
    pub(crate) fn data(&self, now: UtcNanos) -> String {
        let vwap = to_units(self.turnover / from_units(self.volume, QUANTITY_UNIT), PRICE_UNIT);
        let change = self.last - self.open;
        let change_pct = change * 10_000 / self.open.max(1);
        format!(
            concat!(
                r#"{{"symbol":"{}","bid":{},"bid_qty":{},"ask":{},"ask_qty":{},"last":{},"volume":{},"vwap":{},"#,
                r#""low":{},"high":{},"change":{},"change_pct":{},"trades":{},"timestamp":"{}"}}"#
            ),
            self.name,
            Decimal::<6>(self.bid),
            Decimal::<8>(self.bid_quantity),
            Decimal::<6>(self.ask),
            Decimal::<8>(self.ask_quantity),
            Decimal::<6>(self.last),
            Decimal::<8>(self.volume),
            Decimal::<6>(vwap),
            Decimal::<6>(self.low),
            Decimal::<6>(self.high),
            Decimal::<6>(change),
            Decimal::<2>(change_pct),
            self.trades,
            kraken::rfc3339_micros(now),
        )
    }
}

/// An integer that is printed with its last `DECIMALS` digits behind the point.
struct Decimal<const DECIMALS: u32>(i64);

impl<const DECIMALS: u32> std::fmt::Display for Decimal<DECIMALS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10_u64.pow(DECIMALS);
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = DECIMALS as usize)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as saturates, and prices and quantities here are small")]
fn to_units(value: f64, unit: f64) -> i64 {
    (value * unit).round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "a simulated price is an approximation")]
fn from_units(units: i64, unit: f64) -> f64 {
    units as f64 / unit
}

#[expect(clippy::cast_precision_loss, reason = "a simulated price is an approximation")]
fn nanos_to_s(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("S{index}/USD")).collect()
    }

    fn ticks(seed: u64, symbols: usize, seconds: u64) -> (Reference, Vec<Tick>) {
        let mut reference = Reference::new(ReferenceConfig::default(), &names(symbols), Random::new(seed, 0));
        let mut ticks = Vec::new();
        let start = 1_790_000_000 * SECOND;
        let mut now = start;
        while now < start + seconds * SECOND {
            while let Some(tick) = reference.tick(UtcNanos(now)) {
                ticks.push(tick);
            }
            now = reference.next_due().0.max(now + 1);
        }
        (reference, ticks)
    }

    #[test]
    fn one_seed_is_one_history() {
        assert_eq!(ticks(1, 3, 60).1, ticks(1, 3, 60).1);
        assert_ne!(ticks(1, 3, 60).1, ticks(2, 3, 60).1);
    }

    #[test]
    fn every_symbol_ticks_and_the_first_as_often_as_configured() {
        let (_, ticks) = ticks(5, 4, 10);
        let count = |symbol| ticks.iter().filter(|tick| tick.symbol == symbol).count();
        assert_eq!(count(0), 40);
        assert!((1..4).all(|symbol| count(symbol) >= 13));
    }

    #[test]
    fn every_tick_is_a_ticker_whose_prices_are_in_order() {
        let (_, ticks) = ticks(7, 2, 600);
        for tick in &ticks {
            let json: serde_json::Value = serde_json::from_str(&tick.message()).unwrap();
            assert_eq!((&json["channel"], &json["type"]), (&"ticker".into(), &"update".into()));
            let data = &json["data"][0];
            let number = |key: &str| data[key].as_f64().unwrap_or_else(|| panic!("no {key} in {data}"));
            assert!(0.0 < number("bid") && number("bid") < number("ask"), "{data}");
            assert!(number("low") <= number("last") && number("last") <= number("high"), "{data}");
            assert!(number("low") <= number("vwap") && number("vwap") <= number("high"), "{data}");
            for key in ["bid_qty", "ask_qty", "volume"] {
                assert!(number(key) > 0.0, "{data}");
            }
            assert!(data["timestamp"].as_str().unwrap().ends_with('Z'));
        }
    }

    #[test]
    fn the_price_wanders_but_comes_back() {
        let (_, ticks) = ticks(11, 1, 3600);
        let bids: Vec<f64> = ticks
            .iter()
            .map(|tick| serde_json::from_str::<serde_json::Value>(&tick.data).unwrap()["bid"].as_f64().unwrap())
            .collect();
        let (low, high) = bids.iter().fold((f64::MAX, f64::MIN), |(low, high), bid| (low.min(*bid), high.max(*bid)));
        assert!(high / low > 1.002, "it stood still: {low}..{high}");
        assert!(low > 0.08 && high < 0.12, "it ran away: {low}..{high}");
    }

    /// The middle of the first symbol, once a minute.
    fn minutes(config: ReferenceConfig, seed: u64, count: u64) -> Vec<f64> {
        let mut reference = Reference::new(config, &names(1), Random::new(seed, 0));
        let mut mids = Vec::new();
        for quarter in 1..=count * 240 {
            while reference.tick(UtcNanos(quarter * SECOND / 4)).is_some() {}
            if quarter % 240 == 0 {
                mids.push(reference.mid(0));
            }
        }
        mids
    }

    #[test]
    fn a_trend_goes_on_and_a_still_price_does_not_move() {
        let mids = minutes(ReferenceConfig::trend(), 5, 600);
        let moves: Vec<f64> = mids.windows(2).map(|pair| (pair[1] / pair[0] - 1.0) * 1e4).collect();
        let same = moves.windows(2).filter(|pair| pair[0] * pair[1] > 0.0).count();
        assert!(same > 330, "of 598 minutes only {same} went on as the one before");
        assert!(moves.iter().any(|way| *way > 20.0) && moves.iter().any(|way| *way < -20.0));
        assert!(mids.iter().all(|mid| (mid / 0.1 - 1.0).abs() < 0.15), "it ran away");
        assert!(minutes(ReferenceConfig::still(), 5, 10).iter().all(|mid| (mid / 0.1 - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_jumping_price_leaps() {
        let mids = minutes(ReferenceConfig::jump(), 5, 200);
        let largest = mids.windows(2).map(|pair| (pair[1] / pair[0] - 1.0).abs() * 1e4).fold(0.0, f64::max);
        assert!(largest > 100.0, "{largest}");
    }

    #[test]
    fn decimals_are_printed_as_they_are() {
        assert_eq!(Decimal::<6>(100_250).to_string(), "0.100250");
        assert_eq!(Decimal::<6>(-170).to_string(), "-0.000170");
        assert_eq!(Decimal::<2>(-17).to_string(), "-0.17");
        assert_eq!(Decimal::<8>(136_144_813_783).to_string(), "1361.44813783");
    }
}
