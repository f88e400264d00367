//! Bytes over a socket: for requests that no client library would send.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A connection that is kept: answers are told apart by their framing.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
}

/// One answer on a [`Wire`].
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Status line and header lines, names in lower case.
    pub head: String,
    /// As many bytes as `content-length` says.
    pub body: Vec<u8>,
}

impl Wire {
    /// A connection to the listener at this URL.
    #[track_caller]
    pub fn new(url: &str) -> Self {
        Self { stream: BufReader::new(connect(url)) }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("a connection that takes bytes");
    }

    /// The next answer.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        let length = reply.header("content-length").and_then(|length| length.parse().ok());
        reply.body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut reply.body).expect("the whole body");
        reply
    }

    /// The next answer, which has no body whatever its fields say (to HEAD, or 304).
    #[track_caller]
    pub fn head(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head).expect("an answer in time");
            assert!(read > 0, "the server closed the connection: {head:?}");
        }
        let head = head.to_ascii_lowercase();
        Reply { status: status(&head), head, body: Vec::new() }
    }

    /// Waits until the server closes the connection; gives what it sent before.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (),
            Err(error) => panic!("not closed: {error}: {}", String::from_utf8_lossy(&rest)),
        }
        String::from_utf8_lossy(&rest).into_owned()
    }
}

impl Reply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let start = format!("\r\n{name}: ");
        self.head.split_once(&start)?.1.split("\r\n").next()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

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
