//! Bytes over a socket: for requests that no client library would send.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A connection to the listener at this URL.
#[track_caller]
pub fn connect(url: &str) -> TcpStream {
    let address = url.strip_prefix("http://").expect("an http URL");
    let stream = TcpStream::connect(address).expect("a listener");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    stream
}

/// Sends bytes and reads until the server closes the connection, so they must ask for that.
#[track_caller]
pub fn exchange(url: &str, bytes: &[u8]) -> String {
    let mut stream = connect(url);
    // The server may refuse before it has read all.
    _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => (),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (),
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&answer)),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with `connection: close`.
pub fn request(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// The status of the first answer.
#[track_caller]
pub fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("{answer:?}"))
}
