//! Connections to an endpoint that answers each request once and closes.

use crate::events::{ConnId, Outbox};
use crate::wire::core_tx::{MAX_REQUEST_BYTES, TxAnswerReader};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Closed,
    Ready,
    Busy,
    /// It has answered and will close.
    Spent,
}

/// One connection, with what is on its way in and out.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) line: Line,
    pub(super) outbox: Outbox,
    pub(super) answer: TxAnswerReader,
    pub(super) reset: bool,
}

/// All connections of the stage.
#[derive(Debug)]
pub(super) struct Connections(Vec<Connection>);

impl Connections {
    pub(super) fn new(count: u8) -> Self {
        let connection = |_| Connection {
            line: Line::Closed,
            outbox: Outbox::new(MAX_REQUEST_BYTES + 512),
            answer: TxAnswerReader::default(),
            reset: false,
        };
        Self((0..count).map(connection).collect())
    }

    pub(super) fn count(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    pub(super) fn of(&mut self, conn: ConnId) -> &mut Connection {
        &mut self.0[usize::from(conn.0)]
    }

    /// Sends over the first connection that stands idle.
    pub(super) fn send(&mut self, request: &[u8]) -> Option<ConnId> {
        let (id, connection) = (0_u8..).zip(&mut self.0).find(|(_, connection)| connection.line == Line::Ready)?;
        // An idle connection's outbox is empty, and holds the largest request.
        connection.outbox.push(request).ok()?;
        connection.line = Line::Busy;
        connection.answer.clear();
        Some(ConnId(id))
    }
}
