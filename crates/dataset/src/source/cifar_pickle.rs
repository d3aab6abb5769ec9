//! A pickled dictionary with an array of images and their labels, as CIFAR's publisher has written them.
//!
//! The pickle is described and never run. Arrays are read as NumPy 1 and 2 write them for protocols 2 to 5.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use taper_untrusted::files;
use taper_untrusted::pickle::{Id, NAME_LIMIT, Object, Objects, unpickle};

use crate::source::files::text_of;

/// Bytes of all names of a list together: one that is used again and again must not fill the memory.
const TEXTS_LIMIT: usize = 4 << 20;

/// Letters of a key in an error.
const SHOWN: usize = 40;

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
        let name = |id: Id| self.objects.name(id, &self.bytes);
        let mut items = self.items.iter();
        let found = items.find(|(id, _)| name(*id).as_deref() == Some(key.as_bytes()));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names = self.items.iter().take(10).filter_map(|(id, _)| name(*id));
            let start = |name: &[u8]| text_of(name).chars().take(SHOWN).collect::<String>();
            let names = names.map(|name| format!("`{}`", start(&name)));
            format!("it has no `{key}`, but {}", names.collect::<Vec<_>>().join(", "))
        })
    }

    /// The items of a list under a key.
    fn list<T>(
        &self,
        key: &str,
        what: &str,
        mut item: impl FnMut(Id) -> Option<T>,
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
        let what =
            format!("text, each of at most {NAME_LIMIT} bytes, {TEXTS_LIMIT} bytes together");
        let mut left = TEXTS_LIMIT;
        self.list(key, &what, |id| {
            let name = self.objects.name(id, &self.bytes)?;
            left = left.checked_sub(name.len() + size_of::<String>())?;
            String::from_utf8(name.into_owned()).ok()
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
        for form in written::FORMS.into_iter().take(3) {
            for (rows, expected) in [
                (&[7; 2][..], "its array of 1x3 has 2 bytes"),
                (&[7; 4], "its array of 2x3 has 4 bytes"),
            ] {
                let bytes = written::batch(form, "labels", &[0; 2][..rows.len() / 2], 3, rows);
                assert_eq!(count_pickled(&bytes).unwrap_err(), expected, "{form:?}");
            }
            // So many rows that a product of 64 bits is as few bytes as there are; more than a number has.
            let bytes = written::batch(form, "labels", &[0], 4, &[7; 4]);
            let place = bytes.windows(5).position(|some| some == b"K\x01M\x04\0").unwrap();
            let error = |rows: &[u8]| {
                let bytes = [&bytes[..place], rows, &bytes[place + 2..]].concat();
                Pickle::new(bytes).unwrap().batch("labels", 4).unwrap_err()
            };
            let count = (1u64 << 62) + 1;
            let many = [&b"\x8a\x08"[..], &count.to_le_bytes()].concat();
            assert_eq!(error(&many), format!("its array of {count}x4 has 4 bytes"));
            let count = (1u64 << 63) + 1;
            let more = [&b"\x8a\x09"[..], &count.to_le_bytes(), b"\0"].concat();
            let found = error(&more);
            assert!(found.starts_with("expected an array of bytes, 4 in each row; "), "{found}");
        }
    }

    #[test]
    fn a_name_that_is_used_again_and_again_is_an_error() {
        let again = |name: &[u8], count: usize| {
            let length = u32::try_from(name.len()).unwrap().to_le_bytes();
            let text = [b"X", &length[..], name, b"q\0"].concat();
            let list = [b"](", &text[..], &b"h\0".repeat(count), b"e"].concat();
            [b"\x80\x02}(X\x05\0\0\0names", &list[..], b"u."].concat()
        };
        let texts = |bytes| Pickle::new(bytes).unwrap().texts("names");
        assert_eq!(texts(again(b"ant", 2)).unwrap(), ["ant"; 3]);
        let expected = "its `names` is a list, expected a list of text, each of at most 4096 bytes, \
                        4194304 bytes together";
        assert_eq!(texts(again(&[b'a'; NAME_LIMIT + 1], 0)).unwrap_err(), expected);
        assert_eq!(texts(again(&[b'a'; NAME_LIMIT], 2000)).unwrap_err(), expected);
        // As keys, of which the first ones are named.
        let key = [b"X\xa0\x0f\0\0", &[b'a'; 4000][..], b"q\0N"].concat();
        let keys = [b"\x80\x02}(", &key[..], &b"h\0N".repeat(20), b"u."].concat();
        let error = Pickle::new(keys).unwrap().texts("names").unwrap_err();
        let first = format!("it has no `names`, but `{}`, `a", "a".repeat(SHOWN));
        assert!(error.starts_with(&first) && error.len() < 500, "{error}");
    }
}
