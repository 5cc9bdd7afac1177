//! Ledgers that are kept: recordings, data lakes, and how they are read again.
//!
//! * **Recording.** A [`Recorder`] keeps each ledger once, in rotating files of one zstd frame a ledger, so that every
//!   whole ledger can be read however the process ended; what is torn is cut off at the next start. A
//!   [`Backfill`] brings what a stream has missed from somewhere else.
//! * **Reading.** An [`Origin`] is a folder of recordings, a data lake (SEP-54) in a folder or behind HTTP, or a Stellar
//!   RPC. Whatever it is, [`Ledgers`] gives its ledgers one after the other, each with the number and the previous hash
//!   that the one before it demands, and with a header that hashes to what it says.
//!
//! Nothing here is on the line: requests block, on threads of their own.

mod backfill;
mod failure;
mod folder;
mod frame;
mod held;
mod http;
mod index;
mod lake;
mod origin;
mod pace;
mod recorder;
mod recordings;
mod rpc;
mod schema;
mod seal;
mod store;
mod verified;
mod writer;

#[cfg(test)]
mod tests;

pub use backfill::{Backfill, News};
pub use failure::ArchiveError;
pub use folder::Mended;
pub use http::Access;
pub use index::{FileEntry, Index};
pub use origin::{Origin, Range};
pub use pace::{Pace, Speed};
pub use recorder::{Keeping, Kept, Pen, Recorder};
pub use schema::Schema;
pub use seal::{ChainBreak, Seal, SealError};
pub use verified::{Ledgers, check};
pub use writer::Rotation;

/// What to do about a file that is damaged.
const MOVE_AWAY: &str = "move the file away, and let --backfill bring its ledgers again";
