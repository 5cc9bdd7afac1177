//! How a sandbox begins: with a founding, or where an earlier process left off.

use super::history::History;
use super::meta_stream::{MetaOutput, MetaStream};
use super::settings::{SandboxConfig, SandboxError};
use super::state::{Kept, StateDir, carry_file_on};
use super::world::World;
use crate::stellar::NetworkId;

/// A sandbox before time runs.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) world: World,
    pub(crate) history: History,
    pub(crate) meta: MetaStream,
    /// Where every ledger goes before it is published.
    pub(crate) state: Option<StateDir>,
    /// Whether the world is an earlier process's.
    pub(crate) resumed: bool,
}

/// Makes the world, or reads it; nothing of it is published before it is kept.
pub(crate) fn begin(config: &SandboxConfig) -> Result<Beginning, SandboxError> {
    let history = History::new(NetworkId::from_passphrase(&config.world.network_passphrase), config.history);
    let Some(keep) = config.state.clone() else { return found(config, history, None) };
    let (state, kept) = StateDir::open(keep, &config.world.identity())?;
    match kept {
        Some(kept) => resume(config, history, state, kept),
        None => found(config, history, Some(state)),
    }
}

fn found(config: &SandboxConfig, mut history: History, state: Option<StateDir>) -> Result<Beginning, SandboxError> {
    let meta = start_stream(config, false)?;
    let mut world = World::new(&config.world)?;
    let founding = world.take_founding();
    let mut state = state;
    if let Some(state) = &mut state {
        for (ledger, number) in founding.iter().zip(2..) {
            state.keep_founding(number, ledger)?;
        }
        state.snapshot(world.ledger(), &world.notes())?;
    }
    for ledger in founding {
        meta.publish(&ledger);
        history.record_xdr(ledger);
    }
    Ok(Beginning { world, history, meta, state, resumed: false })
}

/// Pipes and sockets go on with the next ledger. So does a file; it is given first what it has missed, if the process
/// died between keeping a ledger and writing it there.
fn resume(
    config: &SandboxConfig,
    mut history: History,
    state: StateDir,
    mut kept: Kept,
) -> Result<Beginning, SandboxError> {
    let mut goes_on = false;
    if let MetaOutput::File(path) = &config.meta {
        goes_on = carry_file_on(path, &kept)?;
    }
    let meta = start_stream(config, goes_on)?;
    for ledger in std::mem::take(&mut kept.ledgers) {
        history.record_xdr(ledger);
    }
    let world = World::resume(&config.world, kept)?;
    Ok(Beginning { world, history, meta, state: Some(state), resumed: true })
}

fn start_stream(config: &SandboxConfig, append: bool) -> Result<MetaStream, SandboxError> {
    MetaStream::start(&config.meta, config.max_history_bytes, append)
        .map_err(|source| SandboxError::Meta { output: config.meta.clone(), source })
}
