use super::*;
use proptest::prelude::*;
use tungstenite::Bytes;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

const MAX: usize = 200;

fn client() -> WebSocketClient {
    let mut client = WebSocketClient::new(WebSocketEndpoint::new("ws.example.org", "/v2", MAX).unwrap());
    client.open([7; 16]);
    client
}

/// The answer of a good server to the request in `output`.
fn answer(output: &[u8]) -> Vec<u8> {
    let request = std::str::from_utf8(output).unwrap();
    assert!(request.starts_with("GET /v2 HTTP/1.1\r\nHost: ws.example.org\r\n"), "{request}");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}

fn frame(payload: &[u8], opcode: Data, is_final: bool) -> Vec<u8> {
    let header = FrameHeader { is_final, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
    bytes_of(Frame::from_payload(header, Bytes::copy_from_slice(payload)))
}

fn bytes_of(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

fn read(client: &mut WebSocketClient, mut input: &[u8]) -> Result<Vec<String>, WebSocketError> {
    let mut events = Vec::new();
    while let Some(event) = client.next(&mut input)? {
        events.push(format!("{event:?}"));
    }
    Ok(events)
}

fn opened() -> WebSocketClient {
    let mut client = client();
    let answer = answer(client.output());
    assert_eq!(read(&mut client, &answer).unwrap(), ["Opened"]);
    client.output_taken();
    client
}

proptest! {
    #[test]
    fn messages_are_read_whole_wherever_the_stream_is_cut(piece in 1_usize..60) {
        let mut client = client();
        let mut stream = answer(client.output());
        stream.extend(frame(b"one", Data::Text, true));
        stream.extend(frame(b"in ", Data::Text, false));
        stream.extend(bytes_of(Frame::ping(Bytes::from_static(b"there?"))));
        stream.extend(frame(b"two", Data::Continue, true));
        stream.extend(frame(&[1, 2], Data::Binary, true));
        stream.extend(bytes_of(Frame::close(None)));
        client.output_taken();
        let mut events = Vec::new();
        for piece in stream.chunks(piece) {
            events.extend(read(&mut client, piece).unwrap());
        }
        prop_assert_eq!(events, ["Opened", "Text(\"one\")", "Text(\"in two\")", "Binary([1, 2])", "Closed"]);
        // Pong (0x8a) and close (0x88), both masked.
        let output = client.output();
        prop_assert_eq!((output[0], output[1]), (0x8a, 0x80 | 6));
        prop_assert_eq!((output[12], output[13]), (0x88, 0x80));
        prop_assert_eq!(output.len(), 18);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1_usize..60) {
        let mut client = opened();
        for piece in bytes.chunks(piece) {
            if read(&mut client, piece).is_err() {
                break;
            }
        }
        prop_assert!(client.output().len() <= MAX_OUTPUT_BYTES);
    }
}

#[test]
fn what_is_sent_is_what_a_server_reads() {
    let mut client = opened();
    client.send_text("{\"method\":\"subscribe\"}").unwrap();
    let sent = client.output().to_vec();
    let (mut input, mut output) = (&sent[..], Vec::new());
    let mut memory = Memory { input: &mut input, output: &mut output, max_output: 0 };
    let mut server = WebSocketContext::new(Role::Server, None);
    assert_eq!(server.read(&mut memory).unwrap(), Message::text("{\"method\":\"subscribe\"}"));
}

#[test]
fn a_handshake_that_is_not_quite_right_is_refused() {
    let good = String::from_utf8(answer(client().output())).unwrap();
    let cases = [
        (good.replace("101", "403"), WebSocketError::Refused(403)),
        (good.replace("WebSocket\r\n", "h2c\r\n"), WebSocketError::BadHandshake("Upgrade")),
        (good.replace(", Upgrade", ""), WebSocketError::BadHandshake("Connection")),
        (good.replace("Accept: ", "Accept: x"), WebSocketError::BadHandshake("Sec-WebSocket-Accept")),
        (
            good.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            WebSocketError::BadHandshake("Sec-WebSocket-Extensions"),
        ),
        (good.replace("HTTP", "ICY"), WebSocketError::Head(httparse::Error::Version)),
        (good.replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(17_000))), WebSocketError::HeadTooLong(16_384)),
    ];
    for (answer, error) in cases {
        let mut client = client();
        assert_eq!(read(&mut client, answer.as_bytes()), Err(error.clone()), "{answer}");
        assert_eq!(read(&mut client, &frame(b"x", Data::Text, true)), Err(error));
        client.open([8; 16]);
        let answer = self::answer(client.output());
        assert_eq!(read(&mut client, &answer).unwrap(), ["Opened"]);
    }
}

#[test]
fn what_breaks_protocol_or_bounds_is_refused() {
    let long = vec![b'x'; MAX + 1];
    let half = vec![b'x'; MAX / 2 + 1];
    let split = [frame(&half, Data::Text, false), frame(&half, Data::Continue, true)].concat();
    let mut masked = frame(b"abcd", Data::Text, true);
    masked[1] |= 0x80;
    masked.splice(2..2, [1, 2, 3, 4]);
    let cases = [
        (frame(&long, Data::Text, true), WebSocketError::Oversized(MAX)),
        // The header alone is enough, however long the message claims to be.
        (vec![0x81, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255], WebSocketError::Oversized(MAX)),
        (split, WebSocketError::Oversized(MAX)),
        (frame(b"\xff\xfe", Data::Text, true), WebSocketError::NotUtf8),
        (masked, WebSocketError::Protocol(ProtocolError::MaskedFrameFromServer)),
        (vec![0xc1, 0], WebSocketError::Protocol(ProtocolError::NonZeroReservedBits)),
        (frame(b"x", Data::Continue, true), WebSocketError::Protocol(ProtocolError::UnexpectedContinueFrame)),
    ];
    for (bytes, error) in cases {
        let mut client = opened();
        assert_eq!(read(&mut client, &bytes), Err(error), "{}", bytes[..bytes.len().min(20)].escape_ascii());
    }
}

#[test]
fn a_connection_may_end_between_messages_only() {
    let big = frame(&[b'x'; 150], Data::Text, true);
    let parts =
        [frame(b"a", Data::Text, false), bytes_of(Frame::ping(Bytes::new())), frame(b"b", Data::Continue, true)];
    let handshake = answer(client().output());
    let stream = [&handshake[..], &big, &parts.concat(), &frame(b"", Data::Text, true)].concat();
    let ends = [0, handshake.len(), handshake.len() + big.len(), stream.len() - 2, stream.len()];
    for end in 0..=stream.len() {
        for piece in [end.max(1), 1] {
            let mut client = client();
            for piece in stream[..end].chunks(piece) {
                read(&mut client, piece).unwrap();
            }
            assert_eq!(client.closed().is_ok(), ends.contains(&end), "the stream of {} ends at {end}", stream.len());
        }
    }
}

#[test]
fn a_server_that_pings_and_never_reads_cannot_fill_the_memory() {
    let mut client = opened();
    let ping = bytes_of(Frame::ping(Bytes::from_static(&[0; 125])));
    for _ in 0..2_000 {
        if read(&mut client, &ping).is_err() {
            break;
        }
    }
    assert!(client.output().len() <= MAX_OUTPUT_BYTES);
}

#[test]
fn a_host_that_would_break_the_request_is_refused() {
    for (host, path) in [("", "/"), ("a b", "/"), ("a\r\nX: 1", "/"), ("a", ""), ("a", "v2"), ("a", "/v2 HTTP/1.1")] {
        assert!(WebSocketEndpoint::new(host, path, 1).is_err(), "{host} {path}");
    }
}
