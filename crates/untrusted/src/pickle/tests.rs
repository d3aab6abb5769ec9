use super::*;

#[test]
fn a_line_without_end_is_a_short_error() {
    let error = |bytes: &[u8]| unpickle(bytes).unwrap_err();
    let long = "\u{1}".repeat(1 << 20);
    for (bytes, expected) in [
        (format!("I{long}\n."), "a line of its pickle is longer than 256 bytes"),
        (format!("c{long}\nx\n."), "a line of its pickle is longer than 256 bytes"),
        (format!("I{}\n.", &long[..250]), " is not a number"),
        ("I12".to_string(), "its pickle ends too soon"),
    ] {
        let error = error(bytes.as_bytes());
        assert!(error.ends_with(expected) && error.len() < 300, "{expected}: {}", error.len());
    }
    assert_eq!(error(b"Inine\n."), "\"nine\" is not a number");
}

#[test]
fn a_name_is_none_that_is_longer_than_names_are() {
    let encoded = |length: usize| {
        let text = "\u{e9}".repeat(length);
        let count = u32::try_from(text.len()).unwrap().to_le_bytes();
        [b"c_codecs\nencode\nX", &count[..], text.as_bytes(), b"\x85R."].concat()
    };
    for (length, is_name) in [(3, true), (NAME_LIMIT, true), (NAME_LIMIT + 1, false)] {
        let pickle = encoded(length);
        let (objects, _) = unpickle(&pickle).unwrap();
        let name = objects.name(objects.root, &pickle);
        assert_eq!(name.is_some_and(|name| name.len() == length), is_name, "{length}");
        assert_eq!(objects.bytes(objects.root, &pickle).unwrap().len(), length);
    }
}
