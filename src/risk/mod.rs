//! The gate between strategy and execution.
