use super::*;

#[test]
fn a_missing_folder_is_an_error() {
    assert_eq!(
        open("no/such/folder").unwrap_err().to_string(),
        "no data at no/such/folder: no such file or folder, nor a name: `digits`, \
         `mnist-sample`, `mnist`, `fashion-mnist`, `kmnist`, `emnist-digits`, \
         `emnist-letters`, `qmnist`, `cifar10`"
    );
}

#[test]
fn a_folder_with_nothing_known_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "").unwrap();
    let error = open(folder.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("is not a data set: expected IDX files"), "{error}");
}

#[test]
fn a_file_that_is_no_idx_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "a.csv", "a.parquet", "a.safetensors"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        let error = open(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is not a data set: ")), "{error}");
    }
}

#[test]
fn folders_called_train_val_and_test_are_parts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/a", "train/b", "val/b", "test/a"] {
        let class = folder.path().join(name);
        std::fs::create_dir_all(&class).unwrap();
        let image = ::image::GrayImage::new(2, 2);
        image.save_with_format(class.join("0.png"), ::image::ImageFormat::Png).unwrap();
    }
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(dataset.train.labels(), [0, 1]);
    assert_eq!(dataset.validation.unwrap().labels(), [1]);
    assert_eq!(dataset.test.unwrap().labels(), [0]);
}

/// A folder with an image in each of these folders.
fn folder_of(folders: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in folders {
        let class = folder.path().join(name);
        std::fs::create_dir_all(&class).unwrap();
        ::image::GrayImage::new(2, 2).save(class.join("0.png")).unwrap();
    }
    folder
}

fn error_of(folder: &tempfile::TempDir) -> String {
    open(folder.path().to_str().unwrap()).unwrap_err().to_string()
}

#[test]
fn parts_go_by_several_names() {
    for [train, test] in [["Train", "Test"], ["training", "TESTING"], ["train", "test"]] {
        let (a, b) = (format!("{train}/a"), format!("{test}/a"));
        let folder = folder_of(&[&a, &b]);
        let dataset = open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (1, 1), "{train}");
    }
    // A class may have such a name.
    let folder = folder_of(&["bus", "train"]);
    assert_eq!(open(folder.path().to_str().unwrap()).unwrap().train.len(), 2);
}

#[test]
fn parts_that_do_not_go_together_are_an_error() {
    let error = error_of(&folder_of(&["train/a", "test/a", "extra/a"]));
    assert!(
        error.ends_with(
            "`test`, `train` can be parts of a data set, but `extra` cannot; expected either \
             classes alone, or parts alone (train, val, test) with a folder per class in each"
        ),
        "{error}"
    );
    let error = error_of(&folder_of(&["train/a", "val/a", "valid/a"]));
    assert!(error.ends_with("`val`, `valid` are the same part"), "{error}");
    let error = error_of(&folder_of(&["test/a"]));
    assert!(error.ends_with("expected a train part, found only others"), "{error}");
}

#[test]
fn images_without_classes_are_an_error_that_says_where_classes_stand() {
    let error = error_of(&folder_of(&["."]));
    assert!(error.contains("it holds images, but no folder per class"), "{error}");
    assert!(error.contains("expected the folder above"), "{error}");
    let error = error_of(&folder_of(&["train", "test"]));
    assert!(error.contains("train is not a data set: it holds images, but no folder"), "{error}");
}

#[test]
fn an_image_is_no_data_set() {
    let folder = folder_of(&["."]);
    let path = folder.path().join("0.png");
    let error = open(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("0.png is not a data set: it is one image; expected a "), "{error}");
    assert!(error.contains(".csv") && error.contains(".safetensors"), "{error}");
}

#[test]
fn the_layout_on_disk_does_not_change_the_list() {
    use crate::idx::{Elements, Idx};
    // Three images of the classes 1, 0, 1: as IDX files and as PNG files.
    let pixels = [10, 20, 30, 40, 50, 60];
    let labels = [1u8, 0, 1];
    let (idx, png) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, shape: &[usize], values: &[u8]| {
        let array = Idx { shape: shape.to_vec(), elements: Elements::U8(values.to_vec()) };
        std::fs::write(idx.path().join(name), array.to_bytes().unwrap()).unwrap();
    };
    write("train-images-idx3-ubyte", &[3, 1, 2], &pixels);
    write("train-labels-idx1-ubyte", &[3], &labels);
    for (item, (image, label)) in pixels.chunks(2).zip(labels).enumerate() {
        let class = png.path().join(label.to_string());
        std::fs::create_dir_all(&class).unwrap();
        let image = ::image::GrayImage::from_raw(2, 1, image.to_vec()).unwrap();
        image.save(class.join(format!("{item}.png"))).unwrap();
    }
    let idx = open(idx.path().to_str().unwrap()).unwrap().train;
    let png = open(png.path().to_str().unwrap()).unwrap().train;
    assert_eq!(idx.labels(), png.labels());
    for item in 0..3 {
        assert_eq!(idx.decode(item).unwrap(), png.decode(item).unwrap());
    }
}
