use super::*;
use proptest::prelude::*;

type Owned = (Vec<u8>, Vec<u8>, Vec<u8>);

fn read(parser: &mut SseParser, pieces: &[&[u8]]) -> Result<Vec<Owned>, SseError> {
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(SseEvent { kind, data, id }) = parser.next(&mut input)? {
            events.push((kind.to_vec(), data.to_vec(), id.to_vec()));
        }
    }
    Ok(events)
}

fn event(kind: &str, data: &str, id: &str) -> Owned {
    (kind.into(), data.into(), id.into())
}

const HORIZON: &str = "\u{feff}retry: 1000\nevent: open\ndata: \"hello\"\n\n: quiet\r\nid: 12-0\rdata: {\r\ndata:  }\n\
    unknown: 1\ndata\n\nevent: lost\n\nretry: x\nid: 13-0\ndata: b\n\nretry: 10\nevent: close\ndata: \"byebye\"\n\n";

fn horizon() -> Vec<Owned> {
    vec![
        event("open", "\"hello\"", ""),
        event("", "{\n }\n", "12-0"),
        event("", "b", "13-0"),
        event("close", "\"byebye\"", "13-0"),
    ]
}

#[test]
fn an_event_cut_off_is_dropped_and_the_last_whole_ones_id_is_kept() {
    let mut parser = SseParser::new(SseLimits::default());
    assert_eq!(read(&mut parser, &[b"retry: 7\nid: 1\ndata: a\n\nid: 2\ndata: b\n"]), Ok(vec![event("", "a", "1")]));
    parser.reset();
    assert_eq!((parser.last_id(), parser.retry_ms()), (&b"1"[..], Some(7)));
    assert_eq!(read(&mut parser, &[b"data: c\n\n"]), Ok(vec![event("", "c", "1")]));
}

#[test]
fn a_line_and_an_event_without_end_are_refused_at_their_bounds() {
    let limits = SseLimits { max_line_bytes: 16, max_event_bytes: 20 };
    let mut parser = SseParser::new(limits);
    assert_eq!(read(&mut parser, &[&[b'x'; 16]]), Ok(vec![]));
    assert_eq!(read(&mut parser, &[b"x"]), Err(SseError::LineTooLong(16)));
    assert_eq!(read(&mut parser, &[b"\n"]), Err(SseError::LineTooLong(16)));
    parser.reset();
    let filled = event("", "012345678\n0123456789", "");
    assert_eq!(read(&mut parser, &[b"data:012345678\ndata:0123456789\n\n"]), Ok(vec![filled]));
    let endless = b"data:0123456789\ndata:0123456789\n";
    assert_eq!(read(&mut parser, &[endless]), Err(SseError::EventTooLong(20)));
}

proptest! {
    #[test]
    fn cuts_change_nothing(mut cuts in prop::collection::vec(0..=HORIZON.len(), 0..8)) {
        cuts.extend([0, HORIZON.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &HORIZON.as_bytes()[cut[0]..cut[1]]).collect();
        let mut parser = SseParser::new(SseLimits::default());
        prop_assert_eq!(read(&mut parser, &pieces), Ok(horizon()));
        prop_assert_eq!(parser.retry_ms(), Some(10));
    }
}
