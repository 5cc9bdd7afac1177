//! Stage 4: from wanted quotes to signed transactions on the wire, and what became of them.

pub mod difference;
pub mod funding;
mod in_flight;
mod stage;
mod submission;

pub use stage::{Execution, ExecutionConfig};
