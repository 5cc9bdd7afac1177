//! What is recorded, and how it lies in the ring and in the file.

use super::crc32::crc32;
use crate::events::{ConnId, Control, MonoNanos, NetEvent, Now, UtcNanos};
use crate::pipeline::placement::StageName;

/// The longest payload that is recorded: as much as a connection gives at once.
pub const LONGEST_PAYLOAD: usize = 64 * 1024;

/// Bytes before a record's payload: length, checksum, stage, kind, detail, zero, monotonic and UTC time.
pub(super) const HEADER_BYTES: usize = 28;

/// An input as it was handed to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightEntry<'a> {
    /// To which stage.
    pub stage: StageName,
    /// With which time.
    pub now: Now,
    /// What.
    pub input: FlightInput<'a>,
}

/// The kinds of input that come from outside. (What stages say to each other follows from these.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightInput<'a> {
    /// From a connection.
    Net(NetEvent<'a>),
    /// A call of [`on_time`](crate::events::Stage::on_time).
    Time,
    /// From the operator.
    Control(Control),
}

/// Numbers of kinds in the file. Never reuse one.
mod kind {
    pub(super) const GAP: u8 = 0;
    pub(super) const OPENED: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const CLOSED: u8 = 3;
    pub(super) const TIME: u8 = 4;
    pub(super) const CONTROL: u8 = 5;
}

const CANCEL_ALL: u8 = 1;

/// A record: an input, or the news that some are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Entry(FlightEntry<'a>),
    /// So many records were dropped here. The stage and time are of the record that follows.
    Gap {
        stage: StageName,
        now: Now,
        records: u64,
    },
}

/// A record's header, with its checksum still to be filled in.
pub(super) type Header = [u8; HEADER_BYTES];

impl<'a> Record<'a> {
    /// Splits a record into header and payload; `gap` is room for a gap's payload.
    pub(super) fn encode<'b>(&self, gap: &'b mut [u8; 8]) -> (Header, &'b [u8])
    where
        'a: 'b,
    {
        let (stage, now, kind, detail, payload): (_, _, _, _, &'b [u8]) = match *self {
            Record::Gap { stage, now, records } => {
                *gap = records.to_le_bytes();
                (stage, now, kind::GAP, 0, gap)
            }
            Record::Entry(FlightEntry { stage, now, input }) => match input {
                FlightInput::Net(NetEvent::Opened(conn)) => (stage, now, kind::OPENED, conn.0, &[]),
                FlightInput::Net(NetEvent::Bytes(conn, bytes)) => (stage, now, kind::BYTES, conn.0, bytes),
                FlightInput::Net(NetEvent::Closed(conn)) => (stage, now, kind::CLOSED, conn.0, &[]),
                FlightInput::Time => (stage, now, kind::TIME, 0, &[]),
                FlightInput::Control(Control::CancelAll) => (stage, now, kind::CONTROL, CANCEL_ALL, &[]),
            },
        };
        // A caller has checked it against the bound.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut header = [0; HEADER_BYTES];
        header[0..4].copy_from_slice(&length.to_le_bytes());
        header[8..12].copy_from_slice(&[stage as u8, kind, detail, 0]);
        header[12..20].copy_from_slice(&now.mono.0.to_le_bytes());
        header[20..28].copy_from_slice(&now.utc.0.to_le_bytes());
        (header, payload)
    }

    /// Reads the record at the start of `bytes`: it, and its length in all. `None` if it is cut, damaged or unknown.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let payload = rest.get(..payload_length(header))?;
        let mut sealed = *header;
        seal(&mut sealed, payload);
        if sealed != *header {
            return None;
        }
        let stage = *StageName::ALL.get(usize::from(header[8]))?;
        let now = Now { mono: MonoNanos(number(header, 12)), utc: UtcNanos(number(header, 20)) };
        let conn = ConnId(header[10]);
        let input = match header[9] {
            kind::GAP => {
                let records = u64::from_le_bytes(payload.try_into().ok()?);
                return Some((Self::Gap { stage, now, records }, HEADER_BYTES + payload.len()));
            }
            kind::OPENED => FlightInput::Net(NetEvent::Opened(conn)),
            kind::BYTES => FlightInput::Net(NetEvent::Bytes(conn, payload)),
            kind::CLOSED => FlightInput::Net(NetEvent::Closed(conn)),
            kind::TIME => FlightInput::Time,
            kind::CONTROL if header[10] == CANCEL_ALL => FlightInput::Control(Control::CancelAll),
            _ => return None,
        };
        Some((Self::Entry(FlightEntry { stage, now, input }), HEADER_BYTES + payload.len()))
    }
}

fn number(header: &Header, at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// The payload's length that a header gives.
pub(super) fn payload_length(header: &Header) -> usize {
    u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize
}

/// Fills in the checksum.
pub(super) fn seal(header: &mut Header, payload: &[u8]) {
    header[4..8].fill(0);
    let check = crc32(&[&header[..], payload]);
    header[4..8].copy_from_slice(&check.to_le_bytes());
}
