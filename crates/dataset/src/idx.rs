//! IDX, the format of MNIST's files: bytes to arrays and back.
//!
//! A file is two zero bytes, a byte for the element type, a byte for the rank, the sizes as
//! big-endian 32-bit numbers, then the elements, big-endian, the last index running fastest
//! (<https://yann.lecun.org/exdb/mnist/>). Either as it is or compressed with gzip, which the first
//! two bytes tell. No function here touches a file, and none panics, whatever the bytes.

mod gzip;
#[cfg(test)]
mod tests;

/// The largest payload that [`Idx::parse`] accepts, in bytes: 600 MiB. A few bytes of gzip may stand for all of them.
pub const DEFAULT_LIMIT: usize = 600 << 20;

/// What is wrong with the bytes of an IDX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The bytes end too early.
    #[error("the IDX file is cut short: expected {expected} bytes, found {found}")]
    Truncated {
        /// Bytes that the header asks for, the header included.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// More bytes follow than the header announces.
    #[error("the IDX file is too long: expected {expected} bytes, found more")]
    TooLong {
        /// Bytes that the header asks for, the header included.
        expected: usize,
    },
    /// The first two bytes are neither IDX nor gzip.
    #[error("no IDX file: expected it to begin with two zero bytes, found {0:#04x} {1:#04x}")]
    Magic(u8, u8),
    /// The third byte names no element type.
    #[error(
        "unknown IDX element type {0:#04x}: expected 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), \
         0x0d (f32) or 0x0e (f64)"
    )]
    ElementType(u8),
    /// The sizes in the header multiply to more than the limit.
    #[error(
        "the IDX header asks for {shape:?} {element_type} elements, the limit is {limit} bytes"
    )]
    Limit {
        /// The sizes in the header.
        shape: Vec<usize>,
        /// The element type.
        element_type: ElementType,
        /// The largest payload allowed, in bytes.
        limit: usize,
    },
    /// The gzip stream is cut short or broken.
    #[error("the gzip stream is broken: {0}")]
    Gzip(String),
    /// An array cannot be written: its shape does not fit its elements, or the format.
    #[error(
        "shape {shape:?} cannot be written with {elements} elements: IDX holds up to 255 \
         dimensions, each below 2^32"
    )]
    Shape {
        /// The shape.
        shape: Vec<usize>,
        /// The number of elements.
        elements: usize,
    },
}

/// The six element types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// Unsigned byte, 0x08.
    U8,
    /// Signed byte, 0x09.
    I8,
    /// 16-bit integer, 0x0b.
    I16,
    /// 32-bit integer, 0x0c.
    I32,
    /// 32-bit float, 0x0d.
    F32,
    /// 64-bit float, 0x0e.
    F64,
}

impl ElementType {
    /// The type with a code, the third byte of a file.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::U8, Self::I8, Self::I16, Self::I32, Self::F32, Self::F64]
            .into_iter()
            .find(|element_type| element_type.code() == code)
    }

    /// The code, the third byte of a file.
    pub fn code(self) -> u8 {
        match self {
            Self::U8 => 0x08,
            Self::I8 => 0x09,
            Self::I16 => 0x0b,
            Self::I32 => 0x0c,
            Self::F32 => 0x0d,
            Self::F64 => 0x0e,
        }
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// The elements of an array, in the machine's byte order.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the variants are the element types
pub enum Elements {
    U8(Vec<u8>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Elements {
    /// The type of the elements.
    pub fn element_type(&self) -> ElementType {
        match self {
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
            Self::I16(_) => ElementType::I16,
            Self::I32(_) => ElementType::I32,
            Self::F32(_) => ElementType::F32,
            Self::F64(_) => ElementType::F64,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn from_bytes(element_type: ElementType, payload: Vec<u8>) -> Self {
        match element_type {
            ElementType::U8 => Self::U8(payload),
            ElementType::I8 => Self::I8(words(&payload, i8::from_be_bytes)),
            ElementType::I16 => Self::I16(words(&payload, i16::from_be_bytes)),
            ElementType::I32 => Self::I32(words(&payload, i32::from_be_bytes)),
            ElementType::F32 => Self::F32(words(&payload, f32::from_be_bytes)),
            ElementType::F64 => Self::F64(words(&payload, f64::from_be_bytes)),
        }
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(values) => out.extend_from_slice(values),
            Self::I8(values) => out.extend(values.iter().flat_map(|v| v.to_be_bytes())),
            Self::I16(values) => out.extend(values.iter().flat_map(|v| v.to_be_bytes())),
            Self::I32(values) => out.extend(values.iter().flat_map(|v| v.to_be_bytes())),
            Self::F32(values) => out.extend(values.iter().flat_map(|v| v.to_be_bytes())),
            Self::F64(values) => out.extend(values.iter().flat_map(|v| v.to_be_bytes())),
        }
    }
}

fn words<const SIZE: usize, T>(payload: &[u8], convert: fn([u8; SIZE]) -> T) -> Vec<T> {
    let (words, _) = payload.as_chunks::<SIZE>();
    words.iter().map(|&word| convert(word)).collect()
}

/// An array as IDX stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// The sizes; their product is the number of elements (1 for no size at all).
    pub shape: Vec<usize>,
    /// The elements, the last index running fastest.
    pub elements: Elements,
}

impl Idx {
    /// Reads an array of at most [`DEFAULT_LIMIT`] bytes, gzip-compressed or not.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one IDX file; see [`IdxError`].
    ///
    /// ```
    /// use taper_dataset::idx::{Elements, Idx};
    ///
    /// let array = Idx::parse(&[0, 0, 8, 1, 0, 0, 0, 2, 5, 6])?;
    /// assert_eq!(array, Idx { shape: vec![2], elements: Elements::U8(vec![5, 6]) });
    /// # Ok::<(), taper_dataset::idx::IdxError>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, IdxError> {
        Self::parse_within(bytes, DEFAULT_LIMIT)
    }

    /// Reads an array whose payload takes at most `limit` bytes, half as many where its elements are no bytes,
    /// gzip-compressed or not.
    ///
    /// The header is judged before the payload is touched, and a gzip stream is decompressed no
    /// further than the header says, so a small hostile file cannot fill the memory.
    ///
    /// # Errors
    ///
    /// As [`Idx::parse`].
    pub fn parse_within(bytes: &[u8], limit: usize) -> Result<Self, IdxError> {
        if gzip::is_gzip(bytes) {
            return gzip::parse(bytes, limit);
        }
        let header = Header::parse(bytes)?;
        let payload = header.payload_bytes(limit)?;
        let expected = header.bytes() + payload; // payload <= isize::MAX, the header is tiny
        match bytes.len() {
            found if found < expected => Err(IdxError::Truncated { expected, found }),
            found if found > expected => Err(IdxError::TooLong { expected }),
            _ => Ok(header.with_payload(bytes[expected - payload..].to_vec())),
        }
    }

    /// The array as an IDX file.
    ///
    /// # Errors
    ///
    /// When the shape does not multiply to the number of elements, has more than 255 sizes, or one
    /// of 2^32 or more.
    pub fn to_bytes(&self) -> Result<Vec<u8>, IdxError> {
        let elements = self.elements.len();
        let wrong = || IdxError::Shape { shape: self.shape.clone(), elements };
        let rank = u8::try_from(self.shape.len()).map_err(|_| wrong())?;
        if product(&self.shape) != Some(elements) {
            return Err(wrong());
        }
        let element_type = self.elements.element_type();
        let mut out = Vec::with_capacity(4 + 4 * self.shape.len() + elements * element_type.size());
        out.extend([0, 0, element_type.code(), rank]);
        for &size in &self.shape {
            out.extend(u32::try_from(size).map_err(|_| wrong())?.to_be_bytes());
        }
        self.elements.append_to(&mut out);
        Ok(out)
    }

    /// The array as a gzip-compressed IDX file; the same array gives the same bytes.
    ///
    /// # Errors
    ///
    /// As [`Idx::to_bytes`].
    pub fn to_gzip(&self) -> Result<Vec<u8>, IdxError> {
        gzip::compress(&self.to_bytes()?)
    }
}

/// What stands before the payload.
struct Header {
    element_type: ElementType,
    shape: Vec<usize>,
}

impl Header {
    /// Reads a header from the beginning of `bytes`.
    fn parse(bytes: &[u8]) -> Result<Self, IdxError> {
        let cut = |expected| IdxError::Truncated { expected, found: bytes.len() };
        let (prefix, rest) = bytes.split_first_chunk::<4>().ok_or(cut(4))?;
        let [first, second, code, rank] = *prefix;
        if [first, second] != [0, 0] {
            return Err(IdxError::Magic(first, second));
        }
        let element_type = ElementType::from_code(code).ok_or(IdxError::ElementType(code))?;
        let rank = usize::from(rank);
        let sizes = rest.get(..4 * rank).ok_or(cut(4 + 4 * rank))?;
        // Sizes are 32 bits wide, which `usize` holds on every machine this builds for.
        let shape = words(sizes, u32::from_be_bytes).into_iter().map(|size| size as usize);
        Ok(Header { element_type, shape: shape.collect() })
    }

    /// Bytes of the header itself.
    fn bytes(&self) -> usize {
        4 + 4 * self.shape.len()
    }

    /// Bytes of the payload, refused when they overflow or pass the limit.
    fn payload_bytes(&self, limit: usize) -> Result<usize, IdxError> {
        // All but bytes are there twice while they are converted.
        let limit = if self.element_type == ElementType::U8 { limit } else { limit / 2 };
        product(&self.shape)
            .and_then(|elements| elements.checked_mul(self.element_type.size()))
            .filter(|&bytes| bytes <= limit.min(isize::MAX as usize - (4 + 4 * 255)))
            .ok_or_else(|| IdxError::Limit {
                shape: self.shape.clone(),
                element_type: self.element_type,
                limit,
            })
    }

    fn with_payload(self, payload: Vec<u8>) -> Idx {
        Idx { shape: self.shape, elements: Elements::from_bytes(self.element_type, payload) }
    }
}

/// The product of all sizes, if it can be counted; a size of 0 makes it 0.
fn product(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}
