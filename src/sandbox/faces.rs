//! What the sandbox shows on its one port.

use super::chain::Chain;
use super::world::Submission;

/// What stands behind the faces: a chain to look at, and a way in for transactions.
pub(crate) trait Host: Send + Sync + 'static {
    /// Shows the ledger and its past, both of one ledger number. No ledger closes meanwhile: look, and go.
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>));

    /// Takes a transaction envelope in XDR.
    fn submit(&self, envelope: &[u8]) -> Submission;

    /// The network's passphrase.
    fn passphrase(&self) -> &str;
}

/// What a look at the chain finds.
pub(crate) fn look<T>(host: &dyn Host, at: impl FnOnce(&Chain<'_>) -> T) -> T {
    let (mut at, mut found) = (Some(at), None);
    host.chain(&mut |chain| {
        if let Some(at) = at.take() {
            found = Some(at(chain));
        }
    });
    let Some(found) = found else { unreachable!("a host shows its chain whenever it is asked") };
    found
}
