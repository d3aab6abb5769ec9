//! JSON that others wrote, of which nothing is made that would fill the memory.
//!
//! A small text may stand for a large tree: `{"":0}` is a map with room for eleven, a hundred times its bytes.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Error, Value};

/// The most memory that what is read of a file may take, in bytes.
pub const MOST: usize = 640 << 20;

/// Bytes of a node of a [`Map`](serde_json::Map), which has room for eleven entries and at least five where there are
/// more nodes.
const NODE: usize = 640;

/// Bytes of a place in a list, which has more of them than are taken.
const PLACE: usize = 2 * size_of::<Value>();

/// What the system takes for a piece of memory beside its bytes.
const PIECE: usize = 32;

/// Names that records have together; what has more of them is a map, which keeps them.
const NAMES: usize = 256;

/// Reads a text as records, maps, lists, numbers and texts; `most` is what they may take, by an estimate from above.
/// A type that serde reads as a tree first (a tagged enum) takes up to eight times what is estimated; a [`Value`]
/// within it is counted by [`Size`], and [`read_beside`] told of it.
///
/// # Errors
///
/// It is not such a text; it would take more.
///
/// ```
/// use taper_untrusted::json::{MOST, read};
///
/// assert_eq!(read::<Vec<u32>>(b"[1, 2]", MOST).unwrap(), [1, 2]);
/// let error = read::<Vec<u32>>(b"[1, 2]", 80).unwrap_err();
/// assert_eq!(error.to_string(), "what it stands for takes more than 80 bytes");
/// ```
pub fn read<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<T, Error> {
    read_beside(bytes, Size(0), most)
}

/// As [`read`], of a text with a tree in it that takes so much: `most` is what both may take together.
///
/// # Errors
///
/// As [`read`].
pub fn read_beside<T: DeserializeOwned>(bytes: &[u8], tree: Size, most: usize) -> Result<T, Error> {
    check(estimate(bytes).saturating_add(tree.0), most)?;
    serde_json::from_slice(bytes)
}

fn check(size: usize, most: usize) -> Result<(), Error> {
    match size <= most {
        true => Ok(()),
        false => {
            Err(Error::custom(format_args!("what it stands for takes more than {most} bytes")))
        }
    }
}

/// What records and maps take. The names of fields are not kept, and are few.
fn estimate(bytes: &[u8]) -> usize {
    let (mut sum, mut text, mut start, mut in_text, mut is_escaped) = (0, 0..0, 0, false, false);
    let mut names = HashSet::new();
    for (place, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' if in_text => {
                (in_text, text) = (false, start..place);
                sum += PIECE + text.len();
            }
            b'"' => (in_text, start) = (true, place + 1),
            _ if in_text => {}
            b'{' | b'[' => sum += 64,
            b',' => sum += 24,
            // That text was a name.
            b':' if text.start > 0 => {
                let name = &bytes[std::mem::take(&mut text)];
                let is_field = names.contains(name) || names.len() < NAMES && names.insert(name);
                sum = if is_field { sum - PIECE - name.len() } else { sum + NODE / 5 };
            }
            _ => {}
        }
    }
    sum
}

/// Reads any text.
///
/// # Errors
///
/// It is none; what it stands for takes more than [`MOST`].
///
/// ```
/// let value = taper_untrusted::json::value(br#"{"a": [1, null, "b"]}"#).unwrap();
/// assert_eq!(value["a"][2], "b");
/// ```
pub fn value(bytes: &[u8]) -> Result<Value, Error> {
    let Size(size) = serde_json::from_slice(bytes)?;
    check(size, MOST)?;
    serde_json::from_slice(bytes)
}

/// The bytes that a [`Value`] takes, by an estimate from above: read in its place, it is counted and not made.
///
/// ```
/// use taper_untrusted::json::Size;
///
/// let Size(bytes) = serde_json::from_str(r#"{"a": 1}"#).unwrap();
/// assert!(bytes > 600);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size(pub usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Counted)
    }
}

struct Counted;

impl<'de> Visitor<'de> for Counted {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Size, E> {
        Ok(Size(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Size, E> {
        Ok(Size(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Size, E> {
        Ok(Size(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Size, E> {
        Ok(Size(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Size, E> {
        Ok(Size(0))
    }

    fn visit_str<E>(self, text: &str) -> Result<Size, E> {
        Ok(Size(text.len() + PIECE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Size, A::Error> {
        let mut sum = PIECE + 2 * PLACE;
        while let Some(Size(item)) = items.next_element()? {
            sum += PLACE + item;
        }
        Ok(Size(sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Size, A::Error> {
        let (mut sum, mut count) = (0, 0usize);
        while let Some((Size(key), Size(value))) = entries.next_entry()? {
            sum += key + value + if count.is_multiple_of(5) { NODE } else { 0 };
            count += 1;
        }
        Ok(Size(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_value_that_serde_makes_of_it_or_the_same_error() {
        for text in [
            r#"{"a": [1, -2, 3.5, 1e300, true, false, null], "b": {"": "é\n\u0041"}, "a": 2}"#,
            "18446744073709551615",
            "123456789012345678901234567890",
            "[]",
            "",
            "[1,]",
            "{} x",
            "{\"a\"}",
            "\u{feff}1",
            "\"\\ud800\"",
            &"[".repeat(200),
        ] {
            let told = |error: Error| error.to_string();
            let expected = serde_json::from_str::<Value>(text).map_err(told);
            assert_eq!(value(text.as_bytes()).map_err(told), expected, "{text}");
        }
        assert!(value(b"\"\xff\"").is_err());
    }

    #[test]
    fn small_texts_of_large_trees_are_errors() {
        let many =
            |what: &str, mib: usize| format!("[{0}0]", what.repeat((mib << 20) / what.len()));
        for text in [many("{\"\":0},", 9), many("[0],", 16), many("0,", 22), many("\"\",", 22)] {
            let error = value(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, "what it stands for takes more than 671088640 bytes");
        }
        // Keys, of which a map of many is made.
        let keys: String = (0..5_000_000).map(|n| format!("\"{n}\":0,")).collect();
        assert!(value(format!("{{{keys}\"\":0}}").as_bytes()).is_err());
        assert!(value(many("{\"\":0},", 5).as_bytes()).is_ok());
    }

    #[test]
    fn what_stands_within_texts_is_no_list_and_names_are_not_counted() {
        let text = format!("[\"{}\"]", "\\\"[{,".repeat(100));
        assert_eq!(estimate(text.as_bytes()), 64 + PIECE + 500);
        assert_eq!(
            estimate(b"{\"long name\": [1, 2], \"b\": \"cd\"}"),
            2 * 64 + 2 * 24 + PIECE + 2
        );
        assert_eq!(estimate(b"::\"a\"::\"b::"), 0);
        assert_eq!(read::<Vec<String>>(text.as_bytes(), 1000).unwrap()[0].len(), 400);
    }

    #[test]
    fn the_entries_of_a_map_are_counted_with_their_names_however_few_bytes_each_has() {
        let maps = |count: usize| (0..count).map(|n| format!("\"{n:04}\":0,")).collect::<String>();
        let map = |count| format!("{{{}}}", maps(count).trim_end_matches(','));
        assert_eq!(estimate(map(NAMES).as_bytes()), 64 + 255 * 24);
        let each = 24 + PIECE + 4 + NODE / 5;
        assert_eq!(estimate(map(1256).as_bytes()), 64 + 255 * 24 + 1000 * each);
        // What records have again and again is the name of a field.
        assert_eq!(estimate(maps(NAMES).repeat(9).as_bytes()), 9 * 256 * 24);
        type Map = std::collections::BTreeMap<String, u8>;
        assert_eq!(read::<Map>(map(1256).as_bytes(), MOST).unwrap().len(), 1256);
        assert!(read::<Map>(map(1256).as_bytes(), 150_000).is_err());
    }

    #[test]
    fn a_tree_and_what_stands_beside_it_have_one_bound() {
        #[derive(Debug, serde::Deserialize)]
        struct Tree {
            tree: Size,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Both {
            tree: Value,
            list: Vec<String>,
        }
        let text = format!(
            "{{\"tree\":[{}0],\"list\":[{}\"\"]}}",
            "{\"\":0},".repeat(99),
            "\"\",".repeat(999)
        );
        let Tree { tree } = serde_json::from_str(&text).unwrap();
        assert_eq!(tree, Size(PIECE + 102 * PLACE + 99 * (NODE + PIECE)));
        let whole = tree.0 + estimate(text.as_bytes());
        let both: Both = read_beside(text.as_bytes(), tree, whole).unwrap();
        assert_eq!((both.tree.as_array().unwrap().len(), both.list.len()), (100, 1000));
        assert!(read_beside::<Both>(text.as_bytes(), tree, whole - 1).is_err());
    }
}
