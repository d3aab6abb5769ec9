//! A pickled dictionary with an array of images and their labels, as CIFAR's publisher has written them.
//!
//! The pickle is described and never run. Arrays are read as NumPy 1 and 2 write them for protocols 2 to 5.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use taper_untrusted::files;
use taper_untrusted::pickle::{Id, Object, Objects, unpickle};

/// Rows of bytes with their labels.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub labels: Vec<u32>,
    /// The rows, one after the other.
    pub rows: Vec<u8>,
}

/// Whether a file begins as pickles do since protocol 2.
pub(crate) fn is_pickle(path: &Path) -> bool {
    let mut start = [0; 2];
    let read = files::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && matches!(start, [0x80, 2..=5])
}

/// As reading a file, for the fuzzer: the number of images in a batch of these bytes.
#[doc(hidden)]
pub fn count_pickled(bytes: &[u8]) -> Result<usize, String> {
    let pickle = Pickle::new(bytes.to_vec())?;
    let _ = pickle.texts("label_names");
    Ok(pickle.batch("labels", 3)?.labels.len())
}

/// A dictionary as it was pickled.
pub(crate) struct Pickle {
    bytes: Vec<u8>,
    objects: Objects,
    items: Vec<(Id, Id)>,
}

impl Pickle {
    /// # Errors
    ///
    /// The bytes are no pickle, or one of something else.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let (objects, _) = unpickle(&bytes)?;
        let what =
            || format!("expected a pickled dictionary, found {}", objects.describe(objects.root));
        let items = objects.dict(objects.root).ok_or_else(what)?;
        Ok(Pickle { bytes, objects, items })
    }

    /// What stands under a key.
    fn value(&self, key: &str) -> Result<Id, String> {
        let name = |id: Id| self.objects.bytes(id, &self.bytes);
        let mut items = self.items.iter();
        let found = items.find(|(id, _)| name(*id).as_deref() == Some(key.as_bytes()));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names = self.items.iter().take(10).filter_map(|(id, _)| name(*id));
            let names = names.map(|name| format!("`{}`", String::from_utf8_lossy(&name)));
            format!("it has no `{key}`, but {}", names.collect::<Vec<_>>().join(", "))
        })
    }

    /// The items of a list under a key.
    fn list<T>(
        &self,
        key: &str,
        what: &str,
        item: impl Fn(Id) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let value = self.value(key)?;
        let items = self.objects.list(value);
        let items = items.and_then(|items| items.iter().map(|id| item(*id)).collect());
        items.ok_or_else(|| {
            format!("its `{key}` is {}, expected a list of {what}", self.objects.describe(value))
        })
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        self.list(key, "text", |id| {
            String::from_utf8(self.objects.bytes(id, &self.bytes)?.into_owned()).ok()
        })
    }

    /// The array under `data`, whose rows have `width` bytes, and the labels under a key.
    pub(crate) fn batch(&self, labels: &str, width: usize) -> Result<Batch, String> {
        let labels =
            self.list(labels, "whole numbers from 0", |id| match self.objects.get(id) {
                Object::Int(label) => u32::try_from(*label).ok(),
                _ => None,
            })?;
        let data = self.value("data")?;
        let expected = format!("expected an array of bytes, {width} in each row");
        let found = || format!("{expected}; found {}", self.objects.describe(data));
        let array = self.array(data).ok_or_else(found)?;
        let (rows, bytes) = match array.shape[..] {
            [rows, columns] if columns == width => (rows, array.bytes),
            _ => {
                let shape: Vec<String> = array.shape.iter().map(usize::to_string).collect();
                return Err(format!("{expected}; found {} of them", shape.join("x")));
            }
        };
        if rows.checked_mul(width) != Some(bytes.len()) {
            return Err(format!("its array of {rows}x{width} has {} bytes", bytes.len()));
        }
        if rows != labels.len() {
            return Err(format!("it has {rows} images, but {} labels", labels.len()));
        }
        let rows = match array.by_columns {
            true => (0..rows * width).map(|at| bytes[at % width * rows + at / width]).collect(),
            false => bytes.into_owned(),
        };
        Ok(Batch { labels, rows })
    }

    /// An array of bytes.
    fn array(&self, id: Id) -> Option<Array<'_>> {
        let Object::Call { callable, args, state, .. } = self.objects.get(id) else { return None };
        let function = self.objects.class(*callable)?;
        let (shape, kind, by_columns, bytes) = match function
            .strip_prefix("numpy.")?
            .rsplit_once('.')?
            .1
        {
            // Built of a version, perhaps, a shape, a type, whether the first index runs fastest, and bytes.
            "_reconstruct" => {
                let [.., shape, kind, by_columns, bytes] = *self.objects.list((*state)?)? else {
                    return None;
                };
                let by_columns =
                    matches!(self.objects.get(by_columns), Object::Bool(true) | Object::Int(1));
                (shape, kind, by_columns, bytes)
            }
            "_frombuffer" => {
                let [bytes, kind, shape, order] = *self.objects.list(*args)? else { return None };
                (shape, kind, self.objects.text(order) == Some("F"), bytes)
            }
            _ => return None,
        };
        let Object::Call { args, .. } = self.objects.get(kind) else { return None };
        let kind = self.objects.bytes(*self.objects.list(*args)?.first()?, &self.bytes)?;
        let size = |id: &Id| match self.objects.get(*id) {
            Object::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        let shape = self.objects.list(shape)?.iter().map(size).collect::<Option<_>>()?;
        let bytes = self.objects.bytes(bytes, &self.bytes)?;
        matches!(&*kind, b"u1" | b"|u1" | b"uint8").then_some(Array { shape, by_columns, bytes })
    }
}

struct Array<'a> {
    shape: Vec<usize>,
    /// Whether the first index runs fastest.
    by_columns: bool,
    bytes: Cow<'a, [u8]>,
}

/// Such pickles, for tests.
#[cfg(test)]
pub(crate) mod written {
    /// How a pickle is written.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(crate) enum Form {
        /// By Python 2, as the publisher did.
        Python2,
        /// By Python 3 for protocol 2.
        Python3For2,
        /// For protocol 4.
        Protocol4,
        /// For protocol 5, the first index running fastest.
        Protocol5ByColumns,
    }

    pub(crate) const FORMS: [Form; 4] =
        [Form::Python2, Form::Python3For2, Form::Protocol4, Form::Protocol5ByColumns];

    fn long(mark: u8, bytes: &[u8]) -> Vec<u8> {
        [&[mark][..], &u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
    }

    /// Bytes, or what Python 2 calls text.
    fn bytes(form: Form, bytes: &[u8]) -> Vec<u8> {
        match form {
            Form::Python2 => long(b'T', bytes),
            Form::Python3For2 => {
                let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
                let text = long(b'X', text.as_bytes());
                [b"c_codecs\nencode\n".to_vec(), text, long(b'X', b"latin1"), b"\x86R".to_vec()]
                    .concat()
            }
            _ => long(b'B', bytes),
        }
    }

    fn text(form: Form, text: &str) -> Vec<u8> {
        long(if form == Form::Python2 { b'T' } else { b'X' }, text.as_bytes())
    }

    fn dict(items: &[Vec<u8>]) -> Vec<u8> {
        [b"\x80\x02}(".to_vec(), items.concat(), b"u.".to_vec()].concat()
    }

    /// A dictionary with a list of texts.
    pub(crate) fn texts(form: Form, key: &str, items: &[&str]) -> Vec<u8> {
        let items = items.iter().map(|item| text(form, item)).collect::<Vec<_>>().concat();
        dict(&[bytes(form, key.as_bytes()), b"](".to_vec(), items, b"e".to_vec()])
    }

    /// A dictionary with an array of bytes and labels.
    pub(crate) fn batch(
        form: Form,
        labels: &str,
        values: &[u8],
        width: u16,
        rows: &[u8],
    ) -> Vec<u8> {
        let count = u8::try_from(rows.len().div_ceil(width.into())).unwrap();
        let [low, high] = width.to_le_bytes();
        let shape = vec![b'K', count, b'M', low, high, 0x86];
        let kind =
            [b"cnumpy\ndtype\n".to_vec(), text(form, "u1"), b"K\x00K\x01\x87R".to_vec()].concat();
        let array = if form == Form::Protocol5ByColumns {
            let (width, count) = (usize::from(width), usize::from(count));
            let turned: Vec<u8> =
                (0..rows.len()).map(|at| rows[at % count * width + at / count]).collect();
            let begin = b"cnumpy._core.numeric\n_frombuffer\n(".to_vec();
            [begin, bytes(form, &turned), kind, shape, text(form, "F"), b"tR".to_vec()].concat()
        } else {
            let begin =
                b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85".to_vec();
            let state = [
                b"(K\x01".to_vec(),
                shape,
                kind,
                b"\x89".to_vec(),
                bytes(form, rows),
                b"tb".to_vec(),
            ];
            [begin, bytes(form, b"b"), b"\x87R".to_vec(), state.concat()].concat()
        };
        let list = values.iter().flat_map(|value| [b'K', *value]).collect::<Vec<u8>>();
        let list = [b"](".to_vec(), list, b"e".to_vec()].concat();
        dict(&[bytes(form, b"data"), array, bytes(form, labels.as_bytes()), list])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn damaged_pickles_are_a_batch_or_an_error(
            form in 0usize..4,
            damage in proptest::collection::vec((0usize..1 << 16, 0u8..=255), 0..6),
            end in 0usize..1 << 16,
        ) {
            let rows: Vec<u8> = (0..12).collect();
            let mut bytes = written::batch(written::FORMS[form], "labels", &[0, 1, 1, 0], 3, &rows);
            assert_eq!(count_pickled(&bytes), Ok(4));
            let length = bytes.len();
            for (place, value) in damage {
                bytes[place % length] = value;
            }
            let _ = count_pickled(&bytes);
            let _ = count_pickled(&bytes[..end % length]);
        }
    }

    #[test]
    fn an_array_of_a_size_that_its_bytes_do_not_fill_is_an_error() {
        // So many rows of no bytes, or of more than there are.
        for width in [0u16, 1, 2] {
            let bytes = written::batch(written::FORMS[2], "labels", &[0], width.max(1), &[7; 3]);
            assert!(count_pickled(&bytes).is_err(), "{width}");
        }
    }
}
