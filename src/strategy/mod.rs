//! Stage 3: from book, account and reference price to the quotes that should stand. One file a strategy, one trait.

mod pure_market_making;
mod quotes;
mod stage;

pub use pure_market_making::{PureMarketMaking, PureMarketMakingConfig, PureMarketMakingError};
pub use quotes::{MAX_QUOTES, QuoteList};
pub use stage::{StrategyStage, StrategyStageConfig};

use crate::events::{Fill, Now, ReferencePrice, SymbolId};
use crate::stellar::MarketId;

/// A strategy on one market. Pure: what it wants follows from what it is told, hence live, demo, backtest and
/// simulation run the same object.
pub trait Strategy: core::fmt::Debug + Send {
    /// The market that it quotes.
    fn market(&self) -> MarketId;

    /// The reference price that it needs, if any. It is asked for no quotes while that is missing or stale.
    fn reference(&self) -> Option<SymbolId>;

    /// Hears of a trade of ours on its market.
    fn on_fill(&mut self, fill: &Fill);

    /// Writes the quotes that should stand now into `quotes`, which is empty. Returns false if what it wanted last time
    /// is near enough: then nothing is said to execution.
    fn quote(&mut self, now: Now, reference: Option<&ReferencePrice>, quotes: &mut QuoteList) -> bool;

    /// Forgets what it wanted last time: the next [`quote`](Self::quote) writes all.
    fn forget(&mut self);
}
