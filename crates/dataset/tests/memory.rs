//! What reading takes: a test program of its own, so that the peak is that of these files alone.
#![cfg(target_os = "linux")]

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use image::{DynamicImage, ImageFormat};
use taper_dataset::{ImageLimits, open, source::decode_image};

/// The most memory that this process has taken, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// So many MiB of zeros, packed.
fn zeros(mib: usize) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    (0..mib).for_each(|_| packed.write_all(&[0; 1 << 20]).unwrap());
    packed.finish().unwrap()
}

/// A grey PNG file with one more chunk before its pixels.
fn png(kind: &[u8; 4], more: &[u8]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        let len = (data.len() as u32).to_be_bytes();
        [&len[..], kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let header = [0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0];
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
    pixels.write_all(&[0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(8)).unwrap();
    let pixels = pixels.finish().unwrap();
    let chunks =
        [chunk(b"IHDR", &header), chunk(kind, more), chunk(b"IDAT", &pixels), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n", &chunks.concat()[..]].concat()
}

/// One test at a time: the peak is the whole program's.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// What `work` gives, and the most memory that it takes above what there was, in MiB.
fn taken<T>(work: impl FnOnce() -> T) -> (T, usize) {
    // From here on the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    let given = work();
    // Linux counts by processor, so a later peak can be told as some pages less.
    let taken = peak().saturating_sub(before) >> 10;
    println!("{taken} MiB");
    (given, taken)
}

/// MiB that any reader may take above its input: 1 GB.
const MOST: usize = 953;

/// An IDX file of zeros, packed.
fn packed_idx(shape: &[u32]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&[0, 0, 8, shape.len() as u8]).unwrap();
    shape.iter().for_each(|size| packed.write_all(&size.to_be_bytes()).unwrap());
    let mut left: u64 = shape.iter().map(|&size| u64::from(size)).product();
    while left > 0 {
        let some = left.min(1 << 20);
        packed.write_all(&vec![0; some as usize]).unwrap();
        left -= some;
    }
    packed.finish().unwrap()
}

#[test]
fn a_small_file_that_stands_for_many_images_takes_less_than_a_gigabyte() {
    let _alone = ALONE.lock();
    // As large as may be, and as many as may be.
    for (count, side) in [(600_000, 32), (16 << 20, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, shape: &[u32]| {
            let bytes = packed_idx(shape);
            assert!(bytes.len() < 8 << 20);
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("train-images-idx3-ubyte.gz", &[count, side, side]);
        write("train-labels-idx1-ubyte.gz", &[count]);
        let open = || open(folder.path().to_str().unwrap()).unwrap().train.len();
        let (length, taken) = taken(open);
        assert_eq!(length, count as usize);
        assert!(taken < MOST, "{count} of {side}: {taken} MiB");
    }
}

#[test]
fn the_largest_images_take_less_than_a_gigabyte_also_several_at_once() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("a");
    std::fs::create_dir(&class).unwrap();
    let path = |ending: &str| class.join(format!("0.{ending}"));
    // Of 64 Mi pixels, each in a format of its own.
    let (colour, alpha) = (DynamicImage::new_rgb8(8192, 8192), DynamicImage::new_rgba8(8192, 8192));
    alpha.save_with_format(path("png"), ImageFormat::Png).unwrap();
    colour.save_with_format(path("jpg"), ImageFormat::Jpeg).unwrap();
    DynamicImage::new_rgb8(8192, 2048).save_with_format(path("gif"), ImageFormat::Gif).unwrap();
    drop((colour, alpha));
    for ending in ["png", "jpg", "gif"] {
        let bytes = std::fs::read(path(ending)).unwrap();
        let decode = || decode_image(&bytes, "x", &ImageLimits::default()).unwrap().height;
        let ((), taken) = taken(|| {
            std::thread::scope(|scope| {
                (0..2).for_each(|_| drop(scope.spawn(decode)));
            });
        });
        assert!(taken < MOST, "{ending}: {taken} MiB");
    }
}

#[test]
fn lists_take_less_than_a_gigabyte_more_than_they_have() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let (commas, long) = (",".repeat((1 << 20) - 100), "a".repeat(125));
    for name in ["a", &long] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    for (name, text) in [
        // As many lines as there may be, and more; as large as iNaturalist 2021's is; one record of many fields.
        ("short.csv", "a,b\n".repeat(4_500_000)),
        ("more.csv", "a,b\n".repeat(20_000_000)),
        ("long.csv", format!("{long},12345\n").repeat(2_700_000)),
        ("record.csv", format!("path,label\n{}", format!("{commas}\"\n\"").repeat(200))),
        ("fields.csv", format!("path,label\n{}x\n", "\"\n\",".repeat(40 << 20))),
        ("wide.csv", ",".repeat(200 << 20)),
        ("deep.jsonl", format!("{{\"z\":[{}0]}}\n", "0,".repeat(500_000)).repeat(100)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &text).unwrap();
        let size = text.len() >> 20;
        drop(text);
        let (opened, taken) = taken(|| open(path.to_str().unwrap()).map(drop));
        assert!(taken < MOST + size, "{name}: {taken} MiB, {opened:?}");
        assert_eq!(opened.is_ok(), ["short.csv", "long.csv"].contains(&name), "{name}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_pickle_that_uses_again_what_is_large_takes_less_than_a_gigabyte() {
    let _alone = ALONE.lock();
    let text = |mib: usize| {
        let length = u32::try_from(mib << 20).unwrap().to_le_bytes();
        [b"X", &length[..], &vec![b'a'; mib << 20], b"q\0"].concat()
    };
    let key = b"X\x0b\0\0\0label_names";
    let names = [b"\x80\x02}(", &key[..], b"](", &text(1), &b"h\0".repeat(20_000), b"eu."].concat();
    let keys = [b"\x80\x02}(", &text(200)[..], b"N", &b"h\0N".repeat(10), b"u."].concat();
    let line = [b"\x80\x02I", &vec![1; 30 << 20][..], b"\n."].concat();
    for (what, bytes) in [("names", names), ("keys", keys), ("line", line)] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
        (1..=5).for_each(|batch| write(&format!("data_batch_{batch}"), b"\x80\x02}.").unwrap());
        write("batches.meta", &bytes).unwrap();
        let size = bytes.len() >> 20;
        drop(bytes);
        let open = || open(folder.path().to_str().unwrap()).unwrap_err().to_string();
        let (error, taken) = taken(open);
        assert!(error.contains("batches.meta is not a data set: "), "{what}: {error}");
        assert!(error.len() < 1000 && taken < 2 * size + 32, "{what}: {taken} MiB, {error}");
    }
}

#[test]
fn tensors_take_no_more_than_their_pixels() {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let open = || open(path.to_str().unwrap()).unwrap().train.len();
    for (kind, bytes) in [("U8", 1), ("F32", 4)] {
        for shape in ["[400,512,512,3]", "[400,3,512,512]"] {
            let (pixels, bytes) = (400 * 512 * 512 * 3, bytes * 400 * 512 * 512 * 3);
            let header = format!(
                "{{\"images\":{{\"dtype\":\"{kind}\",\"shape\":{shape},\"data_offsets\":[0,{bytes}]}},\
                 \"labels\":{{\"dtype\":\"U8\",\"shape\":[400],\"data_offsets\":[{bytes},{}]}}}}",
                bytes + 400
            );
            let start = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
            std::fs::write(&path, &start).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_len(start.len() as u64 + bytes + 400).unwrap();
            let (length, taken) = taken(open);
            assert_eq!(length, 400);
            assert!(taken < (pixels >> 20) + 16, "{kind} {shape}: {taken} MiB");
        }
    }
}

#[test]
fn a_jpeg_file_that_is_decoded_in_two_ways_takes_two_images() {
    let _alone = ALONE.lock();
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(4096, 4096).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let bytes = bytes.into_inner();
    let pixels = (4096 * 4096 * 3) >> 20;
    let most = |bytes: &[u8], times: usize| {
        let (image, taken) = taken(|| decode_image(bytes, "x", &ImageLimits::default()));
        assert!(taken < times * pixels + 8, "{taken} MiB of {pixels}");
        image.map(|image| image.height).map_err(|error| error.to_string())
    };
    assert_eq!(most(&bytes, 1), Ok(4096));
    // Cut in the middle: told only by decoding it in two ways.
    let cut = [&bytes[..bytes.len() / 2], &[0xff, 0xd9]].concat();
    assert!(most(&cut, 2).unwrap_err().contains("cut short"));
}

#[test]
fn what_is_packed_beside_the_pixels_does_not_fill_the_memory() {
    let _alone = ALONE.lock();
    let zeros = zeros(512);
    let profile = [b"name\0\0", &zeros[..]].concat();
    let text = [b"name\0\0", &zeros[..]].concat();
    let long = [b"name\0\x01\0\0\0", &zeros[..]].concat();
    for (kind, more) in [(b"iCCP", profile), (b"zTXt", text), (b"iTXt", long)] {
        // It is an image all the same.
        let read = || decode_image(&png(kind, &more), "x", &ImageLimits::default()).unwrap();
        let (image, taken) = taken(read);
        assert_eq!((image.size(), image.pixels[7]), ([8, 8, 1], 8));
        assert!(taken < 32, "{}: {taken} MiB", String::from_utf8_lossy(kind));
    }
}

#[test]
fn a_chunk_that_claims_more_than_the_file_has_is_an_error() {
    let mut bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/images/lossless.webp"
    ))
    .unwrap();
    bytes.extend_from_slice(b"EXIF\xff\xff\xff\xff");
    assert_eq!(
        decode_image(&bytes, "x", &ImageLimits::default()).unwrap_err().to_string(),
        "x is not a readable image: the WebP data is cut short"
    );
}
