use super::*;
use crate::source::open;

fn u8s(shape: &[usize], values: &[u8]) -> Idx {
    Idx { shape: shape.to_vec(), elements: Elements::U8(values.to_vec()) }
}

/// Two 1x2 images of the classes 1 and 0.
fn images() -> Vec<u8> {
    u8s(&[2, 1, 2], &[1, 2, 3, 4]).to_bytes().unwrap()
}

fn labels() -> Vec<u8> {
    u8s(&[2], &[1, 0]).to_bytes().unwrap()
}

fn folder_of(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn read_folder(files: &[(&str, Vec<u8>)]) -> Result<Dataset> {
    read(folder_of(files).path())
}

/// The error's text, with the folder's path taken out.
fn message(files: &[(&str, Vec<u8>)]) -> String {
    let folder = folder_of(files);
    let text = read(folder.path()).unwrap_err().to_string();
    text.replace(&format!("{}/", folder.path().display()), "")
        .replace(&folder.path().display().to_string(), "FOLDER")
}

fn mnist(images: Vec<u8>, labels: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    vec![("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)]
}

#[test]
fn every_spelling_of_the_names_is_known() {
    let name = |text: &str| FileName::parse(Path::new(text));
    for (text, family, split, role) in [
        ("train-images-idx3-ubyte", "", Split::Train, Role::Images),
        ("train-labels-idx1-ubyte.gz", "", Split::Train, Role::Labels),
        ("t10k-images.idx3-ubyte", "", Split::Test, Role::Images),
        ("t10k-labels.idx1-ubyte.gz", "", Split::Test, Role::Labels),
        ("emnist-digits-train-images-idx3-ubyte.gz", "emnist-digits-", Split::Train, Role::Images),
        ("emnist-digits-test-labels-idx1-ubyte", "emnist-digits-", Split::Test, Role::Labels),
        ("qmnist-train-images-idx3-ubyte", "qmnist-", Split::Train, Role::Images),
        ("qmnist-test-labels-idx2-int.gz", "qmnist-", Split::Test, Role::Labels),
    ] {
        assert_eq!(name(text), Some(FileName { family: family.to_owned(), split, role }), "{text}");
    }
    for text in ["train.csv", "train-images", "train-images-idx9-ubyte", "images-idx3-ubyte"] {
        assert_eq!(name(text), None, "{text}");
    }
}

#[test]
fn both_parts_are_read_compressed_or_not() {
    let gzip = |idx: Idx| idx.to_gzip().unwrap();
    let mut files = mnist(images(), labels());
    files.push(("t10k-images.idx3-ubyte.gz", gzip(u8s(&[1, 1, 2], &[7, 8]))));
    files.push(("t10k-labels.idx1-ubyte.gz", gzip(u8s(&[1], &[9]))));
    let dataset = read_folder(&files).unwrap();
    assert_eq!(dataset.train.labels(), [0, 1]);
    assert_eq!(dataset.train.decode(0).unwrap().pixels, [3, 4]);
    assert_eq!(dataset.train.class_names().len(), 10);
    let test = dataset.test.unwrap();
    assert_eq!((test.label(0), test.decode(0).unwrap().size()), (9, [1, 2, 1]));
}

#[test]
fn labels_with_columns_count_by_their_first() {
    let elements = Elements::I32(vec![1, 50, 60, 0, 70, 80]);
    let labels = Idx { shape: vec![2, 3], elements }.to_bytes().unwrap();
    let files =
        [("qmnist-train-images-idx3-ubyte", images()), ("qmnist-train-labels-idx2-int", labels)];
    assert_eq!(read_folder(&files).unwrap().train.labels(), [0, 1]);
}

#[test]
fn emnist_images_are_turned_upright() {
    let images = u8s(&[1, 2, 3], &[1, 2, 3, 4, 5, 6]).to_bytes().unwrap();
    let files = [
        ("emnist-digits-train-images-idx3-ubyte", images),
        ("emnist-digits-train-labels-idx1-ubyte", u8s(&[1], &[0]).to_bytes().unwrap()),
    ];
    let image = read_folder(&files).unwrap().train.decode(0).unwrap();
    assert_eq!((image.size(), image.pixels), ([3, 2, 1], vec![1, 4, 2, 5, 3, 6]));
}

#[test]
fn a_colour_file_is_read() {
    let images = u8s(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]).to_bytes().unwrap();
    let files = [
        ("train-images-idx4-ubyte", images),
        ("train-labels-idx1-ubyte", u8s(&[1], &[0]).to_bytes().unwrap()),
    ];
    assert_eq!(read_folder(&files).unwrap().train.decode(0).unwrap().size(), [1, 2, 3]);
}

#[test]
fn one_file_of_several_families_chooses_the_family() {
    let folder = folder_of(&[
        ("a-train-images-idx3-ubyte", images()),
        ("a-train-labels-idx1-ubyte", labels()),
        ("b-train-images-idx3-ubyte", u8s(&[1, 1, 1], &[9]).to_bytes().unwrap()),
        ("b-train-labels-idx1-ubyte", u8s(&[1], &[3]).to_bytes().unwrap()),
    ]);
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "it holds several families of IDX files (`a-`, `b-`); name one of the files instead"
        ),
        "{error}"
    );
    let file = folder.path().join("b-train-images-idx3-ubyte");
    assert_eq!(open(file.to_str().unwrap()).unwrap().train.labels(), [3]);
}

#[test]
fn counts_that_differ_are_an_error() {
    assert_eq!(
        message(&mnist(images(), u8s(&[3], &[0, 1, 2]).to_bytes().unwrap())),
        "counts differ: train-images-idx3-ubyte holds 2 images, train-labels-idx1-ubyte holds 3 \
         labels"
    );
}

#[test]
fn a_label_out_of_range_is_an_error() {
    let labels = |values: [i32; 2]| {
        Idx { shape: vec![2], elements: Elements::I32(values.to_vec()) }.to_bytes().unwrap()
    };
    assert_eq!(
        message(&mnist(images(), labels([3, 200]))),
        "label 200 of item 1 in train-labels-idx1-ubyte is out of range: expected 0 to 9; if it is \
         right, name all classes in a file classes.txt beside it, one a line"
    );
    assert!(message(&mnist(images(), labels([-1, 0]))).starts_with("label -1 of item 0 in"));

    let mut files = mnist(images(), labels([0, 2]));
    files.push(("classes.txt", b"cat\ndog\n".to_vec()));
    assert_eq!(
        message(&files),
        "label 2 of item 1 in train-labels-idx1-ubyte is out of range: there are 2 classes, \
         numbered from 0"
    );
}

#[test]
fn classes_are_named_by_a_file() {
    let mut files = mnist(images(), labels());
    files.push(("classes.txt", b"cat\ndog\n".to_vec()));
    assert_eq!(read_folder(&files).unwrap().train.class_names(), ["cat", "dog"]);
}

#[test]
fn a_class_name_that_is_missing_or_repeated_is_an_error() {
    let message_for = |names: &str| {
        let mut files = mnist(images(), labels());
        files.push(("classes.txt", names.as_bytes().to_vec()));
        message(&files)
    };
    let repeated = message_for("cat\ndog\ncat\n");
    assert!(repeated.ends_with("lines 1 and 3 of classes.txt both name the class `cat`"));
    assert!(message_for("cat\n\ndog").ends_with("line 2 of classes.txt names no class"));
    let mut files = mnist(images(), labels());
    files.push(("classes.txt", b"cat\r\ndog\r\n\n".to_vec()));
    assert_eq!(read_folder(&files).unwrap().train.class_names(), ["cat", "dog"]);
}

#[test]
fn more_classes_than_ten_are_counted_when_none_is_left_out() {
    let count = 30;
    let labels: Vec<u8> = (0..count).collect();
    let files = mnist(
        u8s(&[30, 1, 1], &labels).to_bytes().unwrap(),
        u8s(&[30], &labels).to_bytes().unwrap(),
    );
    assert_eq!(read_folder(&files).unwrap().train.class_names().len(), 30);
}

#[test]
fn a_broken_file_is_named() {
    let cut = images()[..17].to_vec();
    assert_eq!(
        message(&mnist(cut, labels())),
        "train-images-idx3-ubyte: the IDX file is cut short: expected 20 bytes, found 17"
    );
    let long = [images(), vec![0]].concat();
    assert_eq!(
        message(&mnist(long, labels())),
        "train-images-idx3-ubyte: the IDX file is too long: expected 20 bytes, found more"
    );
    let packed = u8s(&[2], &[1, 0]).to_gzip().unwrap();
    let files = vec![
        ("train-images-idx3-ubyte", images()),
        ("train-labels-idx1-ubyte.gz", packed[..packed.len() - 3].to_vec()),
    ];
    assert_eq!(
        message(&files),
        "train-labels-idx1-ubyte.gz: the gzip stream is broken: it is cut short"
    );
}

#[test]
fn files_in_each_others_place_are_an_error() {
    assert_eq!(
        message(&mnist(labels(), images())),
        "train-images-idx3-ubyte: expected images as u8 [count, height, width] or [count, height, \
         width, 1 or 3], none empty, found u8 [2]"
    );
    assert_eq!(
        message(&mnist(images(), images())),
        "train-labels-idx1-ubyte: expected labels as integers [count] or [count, columns], found \
         u8 [2, 1, 2]"
    );
    let empty = u8s(&[2, 0, 2], &[]).to_bytes().unwrap();
    assert!(message(&mnist(empty, labels())).contains("none empty, found u8 [2, 0, 2]"));
}

#[test]
fn a_missing_file_of_a_part_is_an_error() {
    assert_eq!(
        message(&mnist(images(), labels())[..1]),
        "FOLDER is not a data set: its train part has images but no labels"
    );
    assert_eq!(
        message(&[("t10k-images-idx3-ubyte", images())]),
        "FOLDER is not a data set: its test part has images but no labels"
    );
}
