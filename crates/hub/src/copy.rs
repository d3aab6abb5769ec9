//! Bytes from a connection, and when one has broken off.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// Bytes a second below which a download has broken off.
const LEAST_RATE: u64 = 1024;

/// Copies until the end, or until the connection is cut or has had fewer than [`LEAST_RATE`] bytes a second for as long
/// as `patience`; gives the bytes received and whether it was the end. Only the disk's errors are errors.
pub(crate) fn copy(
    mut body: impl Read,
    out: &mut impl Write,
    patience: Duration,
    told: &mut dyn FnMut(u64),
) -> std::io::Result<(u64, bool)> {
    let mut buffer = vec![0; 128 << 10];
    let mut received = 0;
    let least = patience.as_secs_f64() * LEAST_RATE as f64;
    let (mut since, mut before) = (Instant::now(), 0);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok((received, true)),
            Ok(n) => {
                out.write_all(&buffer[..n])?;
                received += n as u64;
                told(n as u64);
                if since.elapsed() >= patience {
                    if ((received - before) as f64) < least {
                        return Ok((received, false));
                    }
                    (since, before) = (Instant::now(), received);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Ok((received, false)),
        }
    }
}
