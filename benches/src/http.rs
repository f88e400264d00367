//! As much of an HTTP/1.1 client as the load needs: it shares the cores with what it measures.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// More than the head and the body of any answer here.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// A keep-alive connection with at most one request under way.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// A request without a body, as it goes over the wire.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; ANSWER_BYTES_MAX] })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await.context("sending a request")?;
        let mut filled = 0;
        let head = loop {
            filled = self.receive(filled).await?;
            if let Some(head) = Head::parse(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head.bytes + head.body_bytes;
        if end > self.buffer.len() {
            bail!("an answer of {end} bytes, at most {ANSWER_BYTES_MAX} are read");
        }
        while filled < end {
            filled = self.receive(filled).await?;
        }
        if filled > end {
            bail!("{} bytes came after the answer", filled - end);
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.bytes..end] })
    }

    /// Reads once, behind what is there, and returns the end of what is there then.
    async fn receive(&mut self, filled: usize) -> Result<usize> {
        let room = &mut self.buffer[filled..];
        if room.is_empty() {
            bail!("the head of an answer has over {ANSWER_BYTES_MAX} bytes");
        }
        match self.stream.read(room).await.context("waiting for an answer")? {
            0 => bail!("the server closed a connection"),
            count => Ok(filled + count),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    bytes: usize,
    status: u16,
    body_bytes: usize,
}

impl Head {
    /// None while the head is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..end]).context("the head of an answer is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .with_context(|| format!("not an answer: {head:?}"))?;
        let body_bytes = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .with_context(|| format!("an answer without a length: {head:?}"))?;
        Ok(Some(Self { bytes: end + 4, status, body_bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_read_once_it_is_complete() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\n\r\nbody";
        assert_eq!(Head::parse(&text[..50]).unwrap(), None);
        let head = Head::parse(text).unwrap();
        assert_eq!(head, Some(Head { bytes: text.len() - 4, status: 503, body_bytes: 12 }));
    }

    #[test]
    fn answer_without_a_length_is_refused() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(Head::parse(text).is_err());
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
