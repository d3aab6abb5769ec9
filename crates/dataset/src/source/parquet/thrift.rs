//! Thrift's compact protocol, as far as parquet's headers need it.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>. Nothing is
//! allocated here; what is unknown is passed over.

/// How deep structures may lie within one another; parquet's own lie five deep.
const DEPTH: usize = 16;

/// What is wrong with the bytes, in words.
pub(super) type Result<T> = std::result::Result<T, &'static str>;

/// Reads values one after the other.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
    depth: usize,
}

/// The wire type of a field or element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const TRUE: Kind = Kind(1);
    const FALSE: Kind = Kind(2);
    const BYTE: Kind = Kind(3);
    const DOUBLE: Kind = Kind(7);
    const BINARY: Kind = Kind(8);
    const LIST: Kind = Kind(9);
    const SET: Kind = Kind(10);
    const MAP: Kind = Kind(11);
    const STRUCT: Kind = Kind(12);
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, place: 0, depth: 0 }
    }

    /// Bytes read so far.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.place).ok_or("it is cut short")?;
        self.place += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has more than ten bytes")
    }

    /// A whole number of any width.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A whole number that counts or places something.
    pub(super) fn count(&mut self) -> Result<usize> {
        usize::try_from(self.integer()?).map_err(|_| "a count is negative")
    }

    /// Bytes or text.
    pub(super) fn binary(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.unsigned()?).map_err(|_| "a length is too large")?;
        let end = self.place.checked_add(len).ok_or("a length is too large")?;
        let bytes = self.bytes.get(self.place..end).ok_or("it is cut short")?;
        self.place = end;
        Ok(bytes)
    }

    /// Text; what is not UTF-8 is replaced.
    pub(super) fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.binary()?).into_owned())
    }

    /// The elements of a list, each read by `each`.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let (count, _) = self.list_header()?;
        (0..count).try_for_each(|_| each(self))
    }

    fn list_header(&mut self) -> Result<(u64, Kind)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            count => u64::from(count),
        };
        Ok((count, Kind(head & 0x0f)))
    }

    /// The fields of a structure: `each` is given number and wire type, and says whether it has
    /// read the field.
    pub(super) fn structure(
        &mut self,
        mut each: impl FnMut(&mut Self, i64, Kind) -> Result<bool>,
    ) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("its structures lie too deep");
        }
        let mut number = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                break;
            }
            number = match head >> 4 {
                0 => self.integer()?,
                step => number.wrapping_add(i64::from(step)),
            };
            let kind = Kind(head & 0x0f);
            if !each(self, number, kind)? {
                self.skip(kind)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes over the value of a field.
    fn skip(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => Ok(()),
            other => self.skip_element(other),
        }
    }

    /// Passes over a value; unlike a field's, an element's boolean takes a byte.
    fn skip_element(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::TRUE | Kind::FALSE | Kind::BYTE => self.byte().map(|_| ()),
            Kind(4..=6) => self.unsigned().map(|_| ()),
            Kind::DOUBLE => (0..8).try_for_each(|_| self.byte().map(|_| ())),
            Kind::BINARY => self.binary().map(|_| ()),
            Kind::LIST | Kind::SET => {
                let (count, kind) = self.list_header()?;
                // Every element but an empty one takes a byte, so this ends with the bytes.
                self.nested(|reader| (0..count).try_for_each(|_| reader.skip_element(kind)))
            }
            Kind::MAP => {
                let count = self.unsigned()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                self.nested(|reader| {
                    (0..count).try_for_each(|_| {
                        reader.skip_element(Kind(kinds >> 4))?;
                        reader.skip_element(Kind(kinds & 0x0f))
                    })
                })
            }
            Kind::STRUCT => self.structure(|_, _, _| Ok(false)),
            _ => Err("it has a value of no known type"),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("its structures lie too deep");
        }
        read(self)?;
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_unknown_ones_passed_over() {
        // 1: i32 = -2; 2: "hi" unknown; 3: list of two i32; 20: true; end.
        let bytes = [0x15, 3, 0x18, 2, b'h', b'i', 0x19, 0x25, 2, 4, 0x01, 40, 0, 99];
        let (mut number, mut list, mut truth) = (0, Vec::new(), false);
        let mut reader = Reader::new(&bytes);
        let each = |reader: &mut Reader<'_>, id: i64, kind: Kind| {
            match id {
                1 => number = reader.integer()?,
                3 => reader.list(|reader| {
                    list.push(reader.count()?);
                    Ok(())
                })?,
                20 => truth = kind == Kind::TRUE,
                _ => return Ok(false),
            }
            Ok(true)
        };
        reader.structure(each).unwrap();
        assert_eq!((number, list, truth, reader.place()), (-2, vec![1, 2], true, 13));
    }

    #[test]
    fn structures_without_end_are_an_error() {
        let deep = [0x1c; 1000];
        assert!(Reader::new(&deep).structure(|_, _, _| Ok(false)).is_err());
        let lists = [0x19, 0xf9, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xf9];
        assert!(Reader::new(&lists).structure(|_, _, _| Ok(false)).is_err());
    }
}
