use super::*;
use crate::source::images::Images;

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../tests/golden/parquet", name].iter().collect()
}

fn open(name: &str) -> Result<Dataset> {
    read_with(name, &Columns::default())
}

fn read_with(name: &str, columns: &Columns) -> Result<Dataset> {
    read_table(&golden(name), columns)
}

/// Row r of the fixtures is of class r % 3 and begins with 40 r.
fn first_pixels(source: &dyn Images) -> Vec<u8> {
    (0..source.len()).map(|item| source.decode(item).unwrap().pixels[0]).collect()
}

#[test]
fn tables_are_read_however_they_were_written() {
    for (name, classes) in [
        ("hub.parquet", ["ant", "bee", "cat"]),
        ("pages2.parquet", ["0", "1", "2"]),
        ("words.parquet", ["ant", "bee", "cat"]),
    ] {
        let train = open(name).unwrap().train;
        assert_eq!(train.class_names(), classes, "{name}");
        assert_eq!(train.labels(), [0, 0, 0, 1, 1, 2, 2], "{name}");
        assert_eq!(first_pixels(train.as_ref()), [0, 120, 240, 40, 160, 80, 200], "{name}");
        assert_eq!(train.decode(0).unwrap().size(), [3, 4, 1], "{name}");
        assert!(train.item_name(1).ends_with(&format!("{name} row 3")), "{}", train.item_name(1));
    }
}

#[test]
fn columns_of_other_names_are_found_by_their_types_or_by_settings() {
    let named = Columns {
        image: Some("photo".to_owned()),
        label: Some("kind".to_owned()),
        ..Columns::default()
    };
    for (name, columns, classes) in [
        ("typed.parquet", Columns::default(), ["ant", "bee", "cat"]),
        ("typed.parquet", named.clone(), ["ant", "bee", "cat"]),
        ("untyped.parquet", named, ["0", "1", "2"]),
    ] {
        let train = read_with(name, &columns).unwrap().train;
        assert_eq!(train.class_names(), classes, "{name}");
        assert_eq!(first_pixels(train.as_ref()), [0, 120, 240, 40, 160, 80, 200], "{name}");
    }
    // Told as the user knows them, without the parts of a structure.
    let error = open("untyped.parquet").unwrap_err().to_string();
    assert!(
        error.ends_with("found the columns photo, kind; name one with data.image_column"),
        "{error}"
    );
    let wrong = Columns {
        image: Some("photo".to_owned()),
        label: Some("sort".to_owned()),
        ..Columns::default()
    };
    let error = read_with("untyped.parquet", &wrong).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "expected a column of labels called sort, found the columns photo, kind; name one \
             with data.label_column"
        ),
        "{error}"
    );
}

#[test]
fn several_files_follow_each_other_and_parts_share_their_classes() {
    let hub = golden("hub.parquet");
    let (train, test) = (vec![hub.clone(), golden("words.parquet")], vec![hub]);
    let splits = Splits { train: Some(train), test: Some(test), validation: None };
    let dataset = read_splits("x", splits, LeftOut::default(), &Columns::default()).unwrap();
    assert_eq!(dataset.train.len(), 14);
    assert_eq!(dataset.test.unwrap().class_names(), dataset.train.class_names());
}

#[test]
fn a_folder_is_divided_by_the_names_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(golden(from), data.join(to)).unwrap();
    copy("hub.parquet", "train-00000-of-00002.parquet");
    copy("hub.parquet", "train-00001-of-00002.parquet");
    copy("hub.parquet", "test-00000-of-00001.parquet");
    let dataset = read_folder(folder.path(), &Columns::default()).unwrap();
    assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (14, 7));
    assert!(dataset.validation.is_none());
    assert!(read_folder(&folder.path().join("nothing"), &Columns::default()).is_err());
}

#[test]
fn the_part_of_a_table_is_any_piece_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mnist_train.parquet", "data-test.parquet", "a.val.parquet"] {
        std::fs::copy(golden("hub.parquet"), folder.path().join(name)).unwrap();
    }
    let dataset = read_folder(folder.path(), &Columns::default()).unwrap();
    let parts = [Some(dataset.train), dataset.validation, dataset.test];
    assert_eq!(parts.map(|part| part.map_or(0, |part| part.len())), [7; 3]);
}

#[test]
fn what_lies_beside_tables_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.parquet", "test.parquet", "more/train.parquet", "README.md"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(golden("hub.parquet"), path).unwrap();
    }
    let dataset = read_folder(folder.path(), &Columns::default()).unwrap();
    let expected = "1 .md files, 1 .parquet files in other folders";
    assert_eq!(dataset.train.left_out().to_string(), expected);
    assert!(dataset.train.describe().ends_with(&format!(", left out: {expected}")));
    assert!(dataset.test.unwrap().left_out().is_empty());
}

/// A folder with a table and with images `0.png` to `6.png` in these folders.
fn beside(table: &str, folders: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in folders {
        let images = folder.path().join(name);
        std::fs::create_dir_all(&images).unwrap();
        for row in 0..7 {
            ::image::GrayImage::new(2, 2).save(images.join(format!("{row}.png"))).unwrap();
        }
    }
    let path = folder.path().join(table);
    std::fs::copy(golden(table), &path).unwrap();
    (folder, path)
}

#[test]
fn a_table_may_hold_paths_or_ids() {
    let (_folder, path) = beside("paths.parquet", &["images"]);
    let train = read_table(&path, &Columns::default()).unwrap().train;
    assert!(train.decode(6).is_ok() && train.class_names() == ["ant", "bee", "cat"]);
    let (_folder, path) = beside("ids.parquet", &["train"]);
    let mut columns = Columns { image: Some("id".to_owned()), ..Columns::default() };
    let error = read_table(&path, &columns).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "none of its 7 images is there, such as `0`; `train/0.png` is there: set \
             data.image_folder=train and data.image_suffix=.png"
        ),
        "{error}"
    );
    columns.image_folder = "train".into();
    columns.image_suffix = ".png".to_owned();
    assert!(read_table(&path, &columns).unwrap().train.decode(6).is_ok());
}

#[test]
fn a_table_of_paths_may_name_a_file_as_often_as_it_likes() {
    let (folder, path) = beside("many.parquet", &["a/folder/with/a/long/name"]);
    let train = read_table(&path, &Columns::default()).unwrap().train;
    assert!(train.len() == 20_000 && train.decode(19_999).is_ok());
    drop(folder);
    let error = read_table(&golden("many.parquet"), &Columns::default()).unwrap_err().to_string();
    assert!(error.contains("none of its 20000 images is there"), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_no_path_and_stays_different_as_a_label() {
    let train = open("latin_labels.parquet").unwrap().train;
    assert_eq!(train.class_names(), ["ant", "caf\\xe8", "caf\\xe9"]);
    let error = open("latin_paths.parquet").unwrap_err().to_string();
    assert!(error.ends_with("the path in row 0 is not UTF-8: caf\\xe8"), "{error}");
}

#[test]
fn what_is_not_read_is_told() {
    let message = |name: &str| open(name).unwrap_err().to_string();
    assert!(
        message("missing.parquet")
            .ends_with("missing.parquet is not a data set: row 2 has no label")
    );
    assert!(message("zstd.parquet").contains("compressed with zstd; write it with snappy"));
    assert!(
        message("other.parquet").ends_with(
            "file_path, image_path, found the columns x; name one with data.image_column"
        )
    );
    assert!(message("nothing.parquet").starts_with("cannot read "));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, "PAR1 and no more than that").unwrap();
    let error = read_table(&path, &Columns::default()).unwrap_err().to_string();
    assert!(
        error.ends_with("it is not a readable parquet file: it does not end with PAR1"),
        "{error}"
    );
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = std::fs::read(golden("hub.parquet")).unwrap();
    assert_eq!(count_rows(&bytes, 1 << 20), Some(7));
    for end in 0..bytes.len() {
        assert_eq!(count_rows(&bytes[..end], 1 << 20), None, "{end}");
    }
    // Nothing larger than the limit is unpacked.
    assert_eq!(count_rows(&bytes, 100), None);
}

proptest::proptest! {
    #[test]
    fn damaged_bytes_are_rows_or_an_error(
        name in 0usize..3,
        damage in proptest::collection::vec((0usize..1 << 16, 0u8..=255), 1..8),
    ) {
        let name = ["hub.parquet", "pages2.parquet", "words.parquet"][name];
        let mut bytes = std::fs::read(golden(name)).unwrap();
        for (place, value) in damage {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        let _ = count_rows(&bytes, 1 << 16);
    }
}

#[test]
fn images_of_a_part_that_is_not_asked_for_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let train = folder.path().join("train.parquet");
    for path in [&train, &folder.path().join("test.parquet")] {
        std::fs::copy(golden("hub.parquet"), path).unwrap();
    }
    // The images come first in the file; what describes them, at its end, is left.
    let mut bytes = std::fs::read(&train).unwrap();
    bytes[4..40].fill(0xff);
    std::fs::write(&train, bytes).unwrap();
    let dataset = read_folder(folder.path(), &Columns::default()).unwrap();
    assert_eq!(dataset.train.labels(), [0, 0, 0, 1, 1, 2, 2]);
    let test = dataset.test.unwrap();
    assert_eq!(first_pixels(test.as_ref()), [0, 120, 240, 40, 160, 80, 200]);
    let error = dataset.train.decode(0).unwrap_err().to_string();
    assert!(
        error.contains("train.parquet is not a data set: it is not a readable parquet"),
        "{error}"
    );
    assert!(dataset.train.item_name(1).ends_with("train.parquet row 3"));
}

#[test]
fn a_file_that_changes_after_it_was_opened_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::copy(golden("hub.parquet"), &path).unwrap();
    let train = read_table(&path, &Columns::default()).unwrap().train;
    std::fs::copy(golden("many.parquet"), &path).unwrap();
    let error = train.decode(0).unwrap_err().to_string();
    assert!(
        error.contains("it changed after it was opened") || error.contains("none of its"),
        "{error}"
    );
}
