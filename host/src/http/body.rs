//! Request bodies: read whole, bounded in size and in patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the request body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The client sent nothing for too long.
    #[error("no part of the request body came for {} ms", patience.as_millis())]
    Slow {
        /// Time allowed between two parts.
        patience: Duration,
    },
    /// The client broke off, or broke the framing.
    #[error("the request body is incomplete or malformed")]
    Broken(#[source] BoxError),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Reads a body to its end. Trailers are dropped.
pub async fn read<B>(mut body: B, limit: usize, patience: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // Told in advance, so refused before it is sent (`Expect: 100-continue` is not answered then).
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    let mut whole = Parts::Empty;
    loop {
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Ok(None) => return Ok(whole.finish()),
            Ok(Some(frame)) => frame.map_err(|error| BodyError::Broken(error.into()))?,
            Err(_) => return Err(BodyError::Slow { patience }),
        };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        whole.push(data);
    }
}

/// What has come. Most bodies come in one part, which need not be copied.
enum Parts {
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Parts {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(part) => part.len(),
            Self::Many(parts) => parts.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        *self = match std::mem::replace(self, Self::Empty) {
            Self::Empty => Self::One(data),
            Self::One(first) => {
                let mut parts = BytesMut::from(first);
                parts.extend_from_slice(&data);
                Self::Many(parts)
            }
            Self::Many(mut parts) => {
                parts.extend_from_slice(&data);
                Self::Many(parts)
            }
        };
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::One(part) => part,
            Self::Many(parts) => parts.freeze(),
        }
    }
}
