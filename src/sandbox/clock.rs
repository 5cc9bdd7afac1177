//! The one place of the sandbox that asks for the time of day.

use crate::events::UtcNanos;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
pub(crate) fn utc_now() -> UtcNanos {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcNanos(u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX))
}
