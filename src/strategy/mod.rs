//! Stage 3: from book, account and reference price to the quotes that should stand. One file a strategy, one trait.

mod pure_market_making;
mod stage;

pub use pure_market_making::{PureMarketMaking, PureMarketMakingConfig, PureMarketMakingError};
pub use stage::{Quoter, StrategyStage, StrategyStageConfig};

use crate::events::{Fill, Now, QuoteList};
use crate::stellar::MarketId;

/// A strategy on one market. Pure: what it wants follows from what it is told, hence live, demo, backtest and
/// simulation run the same object.
pub trait Strategy: core::fmt::Debug + Send {
    /// The market that it quotes.
    fn market(&self) -> MarketId;

    /// Hears of a trade of ours on its market.
    fn on_fill(&mut self, fill: &Fill);

    /// Writes the quotes that should stand now into `quotes`, which is empty. Returns false if what it wanted last time
    /// is near enough: then nothing is said to execution.
    ///
    /// `price` is what its market's expression is worth now, finite and positive, units of quote for one base; `None` if
    /// it has no expression. (With one it is not asked while that has no value.)
    fn quote(&mut self, now: Now, price: Option<f64>, quotes: &mut QuoteList) -> bool;

    /// Forgets what it wanted last time: the next [`quote`](Self::quote) writes all.
    fn forget(&mut self);
}
