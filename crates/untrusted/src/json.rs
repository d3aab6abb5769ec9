//! JSON that others wrote, of which nothing is made that would fill the memory.
//!
//! A small text may stand for a large tree: `{"":0}` is a map with room for eleven, a hundred times its bytes.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Value};

/// The most memory that what is read may take, in bytes.
pub const MOST: usize = 640 << 20;

/// Bytes of a node of a [`Map`], which has room for eleven entries and at least five where there are more nodes.
const NODE: usize = 640;

/// Bytes of a place in a list, which has more of them than are taken.
const PLACE: usize = 2 * size_of::<Value>();

/// What the system takes for a piece of memory beside its bytes.
const PIECE: usize = 32;

/// Reads a text as records, lists, numbers and texts; `most` is what they may take, by an estimate from above. A
/// type with maps takes up to four times what is estimated, one that serde reads as a tree first (a tagged enum) up
/// to eight times; a [`Value`] within it is to be [`bounded`].
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
    match estimate(bytes) <= most {
        true => serde_json::from_slice(bytes),
        false => Err(too_much(most)),
    }
}

/// What records take of which the names of fields are not kept.
fn estimate(bytes: &[u8]) -> usize {
    let (mut sum, mut text, mut in_text, mut is_escaped) = (0, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => {
                in_text = !in_text;
                (sum, text) = if in_text { (sum, PIECE) } else { (sum + text, text) };
            }
            _ if in_text => text += 1,
            b'{' | b'[' => sum += 64,
            b',' => sum += 24,
            // That text was a name.
            b':' => sum -= std::mem::take(&mut text),
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
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = bounded(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// As [`value`], of a field: `#[serde(deserialize_with = "bounded")]`.
///
/// # Errors
///
/// As [`value`].
pub fn bounded<'de, D: Deserializer<'de>>(reader: D) -> Result<Value, D::Error> {
    Bounded(&Cell::new(MOST)).deserialize(reader)
}

fn too_much<E: serde::de::Error>(most: usize) -> E {
    E::custom(format_args!("what it stands for takes more than {most} bytes"))
}

/// A value in the making, and the bytes that are left.
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(bytes).ok_or_else(|| too_much(MOST))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.take(text.len() + PIECE)?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        self.take(PIECE + 2 * PLACE)?;
        while let Some(item) = items.next_element_seed(Bounded(self.0))? {
            self.take(PLACE)?;
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.take(key.len() + PIECE + if map.len().is_multiple_of(5) { NODE } else { 0 })?;
            map.insert(key, entries.next_value_seed(Bounded(self.0))?);
        }
        Ok(Value::Object(map))
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
            assert!(
                error.starts_with("what it stands for takes more than 671088640 bytes"),
                "{error}"
            );
        }
        // Keys, of which a map of many is made.
        let keys: String = (0..5_000_000).map(|n| format!("\"{n}\":0,")).collect();
        assert!(value(format!("{{{keys}\"\":0}}").as_bytes()).is_err());
        assert!(value(many("{\"\":0},", 5).as_bytes()).is_ok());
    }

    #[test]
    fn what_stands_within_texts_is_no_list_and_names_are_not_counted() {
        let text = format!("[\"{}\"]", "\\\"[{,".repeat(100));
        assert_eq!(estimate(text.as_bytes()), 64 + PIECE + 300);
        assert_eq!(
            estimate(b"{\"long name\": [1, 2], \"b\": \"cd\"}"),
            2 * 64 + 2 * 24 + PIECE + 2
        );
        assert_eq!(estimate(b"::\"a\"::\"b::"), 0);
        assert_eq!(read::<Vec<String>>(text.as_bytes(), 1000).unwrap()[0].len(), 400);
    }
}
