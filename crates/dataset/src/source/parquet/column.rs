//! The values of one column of one row group, page by page.

use std::io::Read;

use super::footer::{Chunk, Column, Physical};
use super::levels::Levels;
use super::thrift::{Kind, Reader, Result};

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Absent,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Bytes(&'a [u8]),
}

/// How much smaller a dictionary is than a page may be: it is kept, with where each of its values begins.
const DICTIONARY_SHARE: usize = 4;

/// What a page's header says.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    uncompressed: usize,
    compressed: usize,
    values: usize,
    encoding: i64,
    /// Version 2: bytes of the levels, which are never compressed.
    definition_bytes: usize,
    repetition_bytes: usize,
    is_compressed: bool,
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;

/// Hands every value of a chunk, whose bytes these are, to `each`. No page larger than `limit`
/// bytes is unpacked, and none before its size is checked.
pub(super) fn read(
    chunk: &Chunk,
    column: &Column,
    bytes: &[u8],
    limit: usize,
    mut each: impl FnMut(Value<'_>) -> Result<()>,
) -> Result<()> {
    let mut dictionary = Dictionary::default();
    let (mut place, mut seen) = (0, 0);
    while seen < chunk.values {
        let mut reader = Reader::new(bytes.get(place..).unwrap_or_default());
        let header = Header::read(&mut reader)?;
        let start = place + reader.place();
        let end = start.checked_add(header.compressed).ok_or("a page is too large")?;
        let page = bytes.get(start..end).ok_or("a page reaches beyond its column")?;
        place = end;
        match header.kind {
            DICTIONARY => {
                let page =
                    unpack(page, chunk.codec, header.uncompressed, limit / DICTIONARY_SHARE)?;
                dictionary = Dictionary::read(page, column.kind, header.values)?;
            }
            DATA | DATA_2 => {
                let values = header.values.min(chunk.values - seen);
                if header.values == 0 {
                    return Err("a page has no values");
                }
                seen += values;
                let page = Page { header: &header, column, dictionary: &dictionary };
                page.read(bytes.get(start..end).unwrap_or_default(), chunk, limit, &mut each)?;
            }
            _ => {} // an index, or something new
        }
    }
    Ok(())
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut header = Header { is_compressed: true, ..Header::default() };
        reader.structure(|reader, id, _| {
            match id {
                1 => header.kind = reader.integer()?,
                2 => header.uncompressed = reader.count()?,
                3 => header.compressed = reader.count()?,
                5 | 7 | 8 => reader.structure(|reader, field, kind| {
                    match (id, field) {
                        (_, 1) => header.values = reader.count()?,
                        (5 | 7, 2) | (8, 4) => header.encoding = reader.integer()?,
                        (8, 5) => header.definition_bytes = reader.count()?,
                        (8, 6) => header.repetition_bytes = reader.count()?,
                        (8, 7) => header.is_compressed = kind == Kind::TRUE,
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(header)
    }
}

/// A data page.
struct Page<'a> {
    header: &'a Header,
    column: &'a Column,
    dictionary: &'a Dictionary,
}

impl Page<'_> {
    fn read(
        &self,
        page: &[u8],
        chunk: &Chunk,
        limit: usize,
        each: &mut impl FnMut(Value<'_>) -> Result<()>,
    ) -> Result<()> {
        let Header { kind, uncompressed, definition_bytes, repetition_bytes, .. } = *self.header;
        let unpacked;
        let (levels, data) = if kind == DATA_2 {
            let split = repetition_bytes.checked_add(definition_bytes);
            let split = split.filter(|&split| split <= page.len() && split <= uncompressed);
            let split = split.ok_or("a page's levels are longer than the page")?;
            let (levels, data) = page.split_at(split);
            let codec = if self.header.is_compressed { chunk.codec } else { 0 };
            unpacked = unpack(data, codec, uncompressed - split, limit)?;
            (&levels[repetition_bytes..], &unpacked[..])
        } else {
            unpacked = unpack(page, chunk.codec, uncompressed, limit)?;
            match self.column.optional {
                0 => (&[][..], &unpacked[..]),
                _ => {
                    let (len, rest) = unpacked.split_first_chunk().ok_or("a page is cut short")?;
                    let len = u32::from_le_bytes(*len) as usize;
                    if len > rest.len() {
                        return Err("a page's levels are longer than the page");
                    }
                    rest.split_at(len)
                }
            }
        };
        let most = self.column.optional;
        let mut definitions = Levels::new(levels, u32::BITS - most.leading_zeros())?;
        let mut values = Values::new(data, self)?;
        for _ in 0..self.header.values {
            let there = most == 0 || definitions.next()? == most;
            each(if there { values.next()? } else { Value::Absent })?;
        }
        Ok(())
    }
}

/// The values of a page, absent ones left out.
enum Values<'a> {
    Plain {
        data: &'a [u8],
        kind: Physical,
    },
    Keys {
        keys: Levels<'a>,
        dictionary: &'a Dictionary,
    },
    /// Booleans, a bit each.
    Bits {
        data: &'a [u8],
        bit: usize,
    },
    /// Booleans in runs.
    Runs(Levels<'a>),
}

impl<'a> Values<'a> {
    fn new(data: &'a [u8], page: &Page<'a>) -> Result<Self> {
        match page.header.encoding {
            0 if page.column.kind == Physical::Boolean => Ok(Values::Bits { data, bit: 0 }),
            3 if page.column.kind == Physical::Boolean => {
                // Behind the length of what follows.
                Ok(Values::Runs(Levels::new(data.get(4..).ok_or(CUT)?, 1)?))
            }
            0 => Ok(Values::Plain { data, kind: page.column.kind }),
            2 | 8 => {
                // A page of absent values alone has no keys at all.
                let (&width, keys) = data.split_first().unwrap_or((&0, &[]));
                let keys = Levels::new(keys, u32::from(width))?;
                Ok(Values::Keys { keys, dictionary: page.dictionary })
            }
            _ => Err("its values are encoded in a way that is not read (plain and dictionary are)"),
        }
    }

    fn next(&mut self) -> Result<Value<'a>> {
        match self {
            Values::Plain { data, kind } => plain(data, *kind),
            Values::Keys { keys, dictionary } => dictionary.get(keys.next()?),
            Values::Bits { data, bit } => {
                let byte = data.get(*bit / 8).ok_or(CUT)?;
                let value = byte >> (*bit % 8) & 1 == 1;
                *bit += 1;
                Ok(Value::Boolean(value))
            }
            Values::Runs(levels) => Ok(Value::Boolean(levels.next()? == 1)),
        }
    }
}

const CUT: &str = "a page has fewer values than it says";

/// Takes a value off the front.
fn plain<'a>(data: &mut &'a [u8], kind: Physical) -> Result<Value<'a>> {
    fn word<const SIZE: usize>(data: &mut &[u8]) -> Result<[u8; SIZE]> {
        let (bytes, rest) = data.split_first_chunk().ok_or(CUT)?;
        *data = rest;
        Ok(*bytes)
    }
    match kind {
        Physical::Int32 => Ok(Value::Integer(i64::from(i32::from_le_bytes(word(data)?)))),
        Physical::Int64 => Ok(Value::Integer(i64::from_le_bytes(word(data)?))),
        Physical::Float => Ok(Value::Float(f64::from(f32::from_le_bytes(word(data)?)))),
        Physical::Double => Ok(Value::Float(f64::from_le_bytes(word(data)?))),
        Physical::Bytes => {
            let len = u32::from_le_bytes(word(data)?) as usize;
            let (value, rest) = data.split_at_checked(len).ok_or(CUT)?;
            *data = rest;
            Ok(Value::Bytes(value))
        }
        Physical::Boolean | Physical::Other(_) => Err("its values are of a type that is not read"),
    }
}

/// Values that pages refer to by number.
#[derive(Debug, Default)]
struct Dictionary {
    bytes: Vec<u8>,
    kind: Option<Physical>,
    /// Where each value begins.
    starts: Vec<usize>,
}

impl Dictionary {
    fn read(bytes: Vec<u8>, kind: Physical, count: usize) -> Result<Self> {
        // A value takes at least four bytes, so the list of starts is bounded by the page.
        let (mut starts, mut rest) = (Vec::new(), &bytes[..]);
        for _ in 0..count {
            starts.push(bytes.len() - rest.len());
            plain(&mut rest, kind)?;
        }
        Ok(Dictionary { bytes, kind: Some(kind), starts })
    }

    fn get(&self, key: u32) -> Result<Value<'_>> {
        let start = self.starts.get(key as usize);
        let (Some(&start), Some(kind)) = (start, self.kind) else {
            return Err("a value refers to none of its dictionary");
        };
        plain(&mut &self.bytes[start..], kind)
    }
}

/// Decompresses a page to exactly the size that it claims.
fn unpack(bytes: &[u8], codec: i64, size: usize, limit: usize) -> Result<Vec<u8>> {
    // One that was hardly packed takes little more than the file does.
    if size > limit && (size > 2 * limit || size / 5 * 4 > bytes.len()) {
        return Err("a page is larger than the limit");
    }
    let unpacked = match codec {
        0 => bytes.to_vec(),
        1 => {
            let claimed = snap::raw::decompress_len(bytes).map_err(|_| "a page is broken")?;
            // Three bytes of Snappy give 64 at most: what claims more is broken.
            if claimed != size || size > bytes.len().saturating_mul(32) {
                return Err("a page has another size than it claims");
            }
            snap::raw::Decoder::new().decompress_vec(bytes).map_err(|_| "a page is broken")?
        }
        2 => {
            let mut out = Vec::new();
            let stream = flate2::read::MultiGzDecoder::new(bytes);
            stream.take(size as u64 + 1).read_to_end(&mut out).map_err(|_| "a page is broken")?;
            out
        }
        6 => return Err("it is compressed with zstd; write it with snappy, gzip or nothing"),
        _ => return Err("it is compressed in a way that is not read (snappy and gzip are)"),
    };
    match unpacked.len() == size {
        true => Ok(unpacked),
        false => Err("a page has another size than it claims"),
    }
}
