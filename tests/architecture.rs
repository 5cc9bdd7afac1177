//! What the design says of the house as a whole, held by machine: who may know whom, what a stage must not ask for,
//! where `unsafe` stands, what the dependency tree must not hold, and what lies where.
//!
//! Each rule is a table that reads like the design. Each has, beside the test over the real tree, a test with a planted
//! violation: a rule that cannot fail holds nothing.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests too: what they cannot read, fails")]

#[path = "architecture/dependencies.rs"]
mod dependencies;
#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/rooms.rs"]
mod rooms;
#[path = "architecture/source.rs"]
mod source;
