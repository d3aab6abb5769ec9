use proptest::prelude::*;

use super::*;

fn bytes_of(shape: &[u32], code: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(payload);
    bytes
}

fn message(bytes: &[u8]) -> String {
    Idx::parse(bytes).unwrap_err().to_string()
}

#[test]
fn every_element_type_is_read_big_endian() {
    let read = |code, payload: &[u8]| Idx::parse(&bytes_of(&[1], code, payload)).unwrap().elements;
    assert_eq!(read(0x08, &[200]), Elements::U8(vec![200]));
    assert_eq!(read(0x09, &[200]), Elements::I8(vec![-56]));
    assert_eq!(read(0x0b, &[1, 2]), Elements::I16(vec![258]));
    assert_eq!(read(0x0c, &[255, 255, 255, 254]), Elements::I32(vec![-2]));
    assert_eq!(read(0x0d, &[0x3f, 0x80, 0, 0]), Elements::F32(vec![1.0]));
    assert_eq!(read(0x0e, &[0xc0, 0, 0, 0, 0, 0, 0, 0]), Elements::F64(vec![-2.0]));
}

#[test]
fn rank_zero_is_one_element_and_an_empty_size_is_none() {
    assert_eq!(Idx::parse(&[0, 0, 8, 0, 9]).unwrap().elements, Elements::U8(vec![9]));
    let empty = Idx::parse(&bytes_of(&[u32::MAX, 0, u32::MAX], 8, &[])).unwrap();
    assert!(empty.elements.is_empty());
}

#[test]
fn a_truncated_header_is_an_error() {
    assert_eq!(message(&[0, 0]), "the IDX file is cut short: expected 4 bytes, found 2");
    assert_eq!(
        message(&[0, 0, 8, 3, 0, 0]),
        "the IDX file is cut short: expected 16 bytes, found 6"
    );
}

#[test]
fn a_truncated_payload_is_an_error() {
    assert_eq!(
        message(&bytes_of(&[3], 8, &[1, 2])),
        "the IDX file is cut short: expected 11 bytes, found 10"
    );
}

#[test]
fn bytes_after_the_end_are_an_error() {
    assert_eq!(
        message(&bytes_of(&[1], 8, &[1, 2])),
        "the IDX file is too long: expected 9 bytes, found more"
    );
}

#[test]
fn other_files_are_an_error() {
    assert_eq!(
        message(b"\x89PNG"),
        "no IDX file: expected it to begin with two zero bytes, found 0x89 0x50"
    );
    assert!(message(&[0, 0, 7, 1]).starts_with("unknown IDX element type 0x07"));
}

#[test]
fn sizes_that_overflow_are_an_error() {
    let error = message(&bytes_of(&[u32::MAX; 8], 0x0e, &[]));
    assert!(error.ends_with("f64 elements, the limit is 314572800 bytes"), "{error}");
}

#[test]
fn a_limit_is_kept_before_anything_is_decompressed() {
    let zeros = Idx { shape: vec![1 << 20], elements: Elements::U8(vec![0; 1 << 20]) };
    let bytes = zeros.to_gzip().unwrap();
    assert!(bytes.len() < 2000);
    let error = Idx::parse_within(&bytes, 1000).unwrap_err().to_string();
    assert_eq!(error, "the IDX header asks for [1048576] u8 elements, the limit is 1000 bytes");
    assert_eq!(Idx::parse(&bytes).unwrap(), zeros);
}

#[test]
fn a_truncated_gzip_file_is_an_error() {
    let bytes =
        Idx { shape: vec![40], elements: Elements::U8((0..40).collect()) }.to_gzip().unwrap();
    for end in 2..bytes.len() {
        assert_eq!(message(&bytes[..end]), "the gzip stream is broken: it is cut short");
    }
}

#[test]
fn a_gzip_file_with_more_behind_is_an_error() {
    let bytes = Idx { shape: vec![], elements: Elements::U8(vec![1]) }.to_gzip().unwrap();
    for tail in [&[0u8][..], &[0; 100], b"more", &bytes] {
        let longer = [&bytes[..], tail].concat();
        assert!(Idx::parse(&longer).is_err(), "{tail:?}");
    }
}

#[test]
fn a_gzip_file_with_a_payload_that_is_too_long_is_an_error() {
    let bytes = gzip::compress(&bytes_of(&[1], 8, &[1, 2])).unwrap();
    assert_eq!(message(&bytes), "the IDX file is too long: expected 9 bytes, found more");
    let bytes = gzip::compress(&bytes_of(&[3], 8, &[1, 2])).unwrap();
    assert_eq!(message(&bytes), "the IDX file is cut short: expected 11 bytes, found 10");
}

#[test]
fn a_shape_that_does_not_fit_is_not_written() {
    let error = Idx { shape: vec![2, 3], elements: Elements::I16(vec![0; 5]) }.to_bytes();
    assert_eq!(
        error.unwrap_err().to_string(),
        "shape [2, 3] cannot be written with 5 elements: IDX holds up to 255 dimensions, each \
         below 2^32"
    );
    let deep = Idx { shape: vec![1; 256], elements: Elements::U8(vec![0]) };
    assert!(deep.to_bytes().is_err());
    let wide = Idx { shape: vec![0, 1 << 32], elements: Elements::U8(vec![]) };
    assert!(wide.to_bytes().is_err());
}

/// A small file of any element type and up to four sizes of 0 to 3.
fn small_file() -> impl Strategy<Value = (Vec<u32>, ElementType, Vec<u8>)> {
    let codes = prop::sample::select(vec![0x08u8, 0x09, 0x0b, 0x0c, 0x0d, 0x0e]);
    (prop::collection::vec(0u32..4, 0..5), codes).prop_flat_map(|(shape, code)| {
        let element_type = ElementType::from_code(code).unwrap();
        let bytes = shape.iter().product::<u32>() as usize * element_type.size();
        (Just(shape), Just(element_type), prop::collection::vec(any::<u8>(), bytes))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_an_array_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Idx::parse_within(&bytes, 1 << 20);
        let _ = Idx::parse_within(&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat(), 1 << 20);
        let _ = Idx::parse_within(&gzip::compress(&bytes).unwrap(), 1 << 20);
        let _ = Idx::parse_within(&[&[0, 0, 8][..], &bytes].concat(), 1 << 20);
    }

    // Floats are compared by their bytes, so that NaNs count too.
    #[test]
    fn a_file_survives_reading_and_writing((shape, element_type, payload) in small_file()) {
        let bytes = bytes_of(&shape, element_type.code(), &payload);
        let array = Idx::parse(&bytes).unwrap();
        prop_assert_eq!(array.elements.element_type(), element_type);
        prop_assert_eq!(array.to_bytes().unwrap(), &bytes[..]);
        let packed = array.to_gzip().unwrap();
        prop_assert_eq!(Idx::parse(&packed).unwrap().to_bytes().unwrap(), bytes);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error((shape, element_type, payload) in small_file()) {
        let bytes = bytes_of(&shape, element_type.code(), &payload);
        let packed = gzip::compress(&bytes).unwrap();
        for end in 0..bytes.len() {
            prop_assert!(Idx::parse(&bytes[..end]).is_err());
        }
        for end in 0..packed.len() {
            prop_assert!(Idx::parse(&packed[..end]).is_err());
        }
    }

    #[test]
    fn a_flipped_header_byte_is_an_error_or_a_consistent_array(
        (shape, element_type, payload) in small_file(),
        flip in 1u8..=255,
    ) {
        let bytes = bytes_of(&shape, element_type.code(), &payload);
        for place in 0..4 + 4 * shape.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= flip;
            if let Ok(array) = Idx::parse(&flipped) {
                prop_assert_eq!(array.shape.iter().product::<usize>(), array.elements.len());
                prop_assert_eq!(array.to_bytes().unwrap(), flipped);
            }
        }
    }

    #[test]
    fn a_flipped_payload_byte_changes_that_element_alone(
        (shape, element_type, payload) in small_file(),
        flip in 1u8..=255,
    ) {
        let bytes = bytes_of(&shape, element_type.code(), &payload);
        let size = element_type.size();
        let start = bytes.len() - payload.len();
        for place in 0..payload.len() {
            let mut flipped = bytes.clone();
            flipped[start + place] ^= flip;
            let array = Idx::parse(&flipped).unwrap();
            prop_assert_eq!(&array.shape, &Idx::parse(&bytes).unwrap().shape);
            let changed = array.to_bytes().unwrap();
            for (element, (old, new)) in bytes[start..]
                .chunks(size)
                .zip(changed[start..].chunks(size))
                .enumerate()
            {
                prop_assert_eq!(old != new, element == place / size);
            }
        }
    }
}
