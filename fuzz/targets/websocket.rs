//! However a server's frames are cut, the same events come out of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::websocket::{WebSocketClient, WebSocketEndpoint};
use tungstenite::handshake::derive_accept_key;

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (piece, shake_hands, stream) = input;
    let whole = read(stream, stream.len().max(1), shake_hands);
    let cut = read(stream, usize::from(piece).max(1), shake_hands);
    assert_eq!(whole, cut);
});

/// The events, and whether an error ended them.
fn read(stream: &[u8], piece: usize, shake_hands: bool) -> (Vec<String>, bool) {
    let endpoint = WebSocketEndpoint::new("localhost", "/", 1 << 10).expect("the endpoint is good");
    let mut client = WebSocketClient::new(endpoint);
    client.open([0; 16]);
    if shake_hands {
        let answer = answer(client.output());
        let opened = client.next(&mut answer.as_bytes());
        assert!(matches!(opened, Ok(Some(_))), "{opened:?}");
    }
    let mut events = Vec::new();
    for mut bytes in stream.chunks(piece) {
        loop {
            match client.next(&mut bytes) {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
        client.output_taken();
    }
    (events, client.closed().is_err())
}

fn answer(request: &[u8]) -> String {
    let request = core::str::from_utf8(request).expect("the request is text");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("it has a key");
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n")
}
