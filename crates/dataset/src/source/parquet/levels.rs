//! Small numbers in runs and bundles of bits: definition levels and dictionary keys.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, "RLE / bit-packing hybrid".

use super::thrift::Result;

/// Numbers of `width` bits, one after the other.
pub(super) struct Levels<'a> {
    bytes: &'a [u8],
    width: u32,
    run: Run,
}

enum Run {
    /// The same number this many times more.
    Same { value: u32, left: usize },
    /// So many more, from this bit on, within the bytes of the run.
    Packed { bit: usize, left: usize, end: usize },
}

impl<'a> Levels<'a> {
    /// `width` from 0 to 32; with 0 all are 0 and no byte is read.
    pub(super) fn new(bytes: &'a [u8], width: u32) -> Result<Self> {
        if width > 32 {
            return Err("a level has more than 32 bits");
        }
        Ok(Levels { bytes, width, run: Run::Same { value: 0, left: 0 } })
    }

    /// The next number.
    pub(super) fn next(&mut self) -> Result<u32> {
        if self.width == 0 {
            return Ok(0);
        }
        loop {
            match &mut self.run {
                Run::Same { value, left } if *left > 0 => {
                    *left -= 1;
                    return Ok(*value);
                }
                Run::Packed { bit, left, .. } if *left > 0 => {
                    let value = bits(self.bytes, *bit, self.width)?;
                    *left -= 1;
                    *bit += self.width as usize;
                    return Ok(value);
                }
                Run::Packed { end, .. } => {
                    self.bytes = self.bytes.get(*end..).unwrap_or_default();
                    self.run = self.header()?;
                }
                Run::Same { .. } => self.run = self.header()?,
            }
        }
    }

    fn header(&mut self) -> Result<Run> {
        let (mut head, mut read) = (0u64, 0);
        loop {
            let &byte = self.bytes.get(read).ok_or("its levels end too early")?;
            head |= u64::from(byte & 0x7f) << (7 * read);
            read += 1;
            if byte < 0x80 {
                break;
            }
            if read == 5 {
                return Err("a run of levels is too long");
            }
        }
        self.bytes = &self.bytes[read..];
        let count = (head >> 1) as usize; // at most 35 bits
        if head & 1 == 1 {
            let (left, end) = (count * 8, count * self.width as usize);
            // The last run may be cut where its numbers end.
            return Ok(Run::Packed { bit: 0, left, end });
        }
        let bytes = self.width.div_ceil(8) as usize;
        let parts = self.bytes.get(..bytes).ok_or("its levels end too early")?;
        let value = parts.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
        self.bytes = &self.bytes[bytes..];
        match count {
            0 => Err("a run of levels is empty"),
            left => Ok(Run::Same { value, left }),
        }
    }
}

/// `width` bits from a bit on, the lowest first.
fn bits(bytes: &[u8], start: usize, width: u32) -> Result<u32> {
    let mut value = 0u64;
    let first = start / 8;
    let last = (start + width as usize - 1) / 8; // at most five bytes
    let parts = bytes.get(first..=last).ok_or("its levels end too early")?;
    for (place, &byte) in parts.iter().enumerate() {
        value |= u64::from(byte) << (8 * place);
    }
    Ok((value >> (start % 8)) as u32 & (u32::MAX >> (32 - width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_bundles_follow_each_other() {
        // Three times 5; then eight packed, 0 to 7, the format's own example; then two of 1.
        let bytes = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010, 4, 1];
        let mut levels = Levels::new(&bytes, 3).unwrap();
        let read: Vec<u32> = (0..13).map(|_| levels.next().unwrap()).collect();
        assert_eq!(read, [5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7, 1, 1]);
        assert!(levels.next().is_err());
    }

    #[test]
    fn no_bits_are_zeros_for_ever() {
        let mut levels = Levels::new(&[], 0).unwrap();
        assert_eq!((levels.next(), levels.next()), (Ok(0), Ok(0)));
    }

    #[test]
    fn an_empty_bundle_ends_with_the_bytes() {
        assert!(Levels::new(&[1, 1, 1], 3).unwrap().next().is_err());
        assert!(Levels::new(&[0, 0, 0, 0], 3).unwrap().next().is_err());
    }
}
