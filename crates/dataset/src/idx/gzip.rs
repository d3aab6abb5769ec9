//! IDX inside gzip: decompressed as far as the header says, and not further.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Header, Idx, IdxError};

/// Whether the bytes begin as gzip does (RFC 1952).
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Idx, IdxError> {
    let mut stream = MultiGzDecoder::new(bytes);
    let mut head = Vec::new();
    read_up_to(&mut stream, 4, &mut head)?;
    if let [0, 0, _, rank] = head[..] {
        read_up_to(&mut stream, 4 * usize::from(rank), &mut head)?;
    }
    let header = Header::parse(&head)?;
    let size = header.payload_bytes(limit)?;
    let expected = header.bytes() + size;

    // Room that nothing is written to takes no memory; a list that grows would take half as much again.
    let mut payload = Vec::new();
    payload.try_reserve_exact(size).map_err(|error| broken(error.into()))?;
    read_up_to(&mut stream, size, &mut payload)?;
    if payload.len() < size {
        return Err(IdxError::Truncated { expected, found: header.bytes() + payload.len() });
    }
    // Reading on to the end also makes the decoder verify length and checksum.
    let mut rest = Vec::new();
    read_up_to(&mut stream, 1, &mut rest)?;
    if !rest.is_empty() {
        return Err(IdxError::TooLong { expected });
    }
    Ok(header.with_payload(payload))
}

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, IdxError> {
    // Neither time nor name is written.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(broken)
}

/// Appends `count` bytes, or fewer where the stream ends: memory follows what is really there.
fn read_up_to(stream: &mut impl Read, count: usize, out: &mut Vec<u8>) -> Result<(), IdxError> {
    stream.take(count as u64).read_to_end(out).map(|_| ()).map_err(broken)
}

fn broken(error: std::io::Error) -> IdxError {
    IdxError::Gzip(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
        _ => error.to_string(),
    })
}
