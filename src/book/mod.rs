//! Stage 2: offers, levels and pools of every configured market.
