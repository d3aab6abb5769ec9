use super::*;
use crate::source::images::Labelled;

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
}

#[test]
fn a_set_may_be_there_to_be_tested_on_alone() {
    let folder = folder_of(&["test/a", "test/b", "val/b"]);
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!((dataset.train.len(), dataset.train.class_names().len()), (0, 2));
    assert_eq!(dataset.test.unwrap().labels(), [0, 1]);
    assert_eq!(dataset.validation.unwrap().labels(), [1]);
}

#[test]
fn what_lies_beside_the_folders_of_parts_is_counted_once() {
    let folder = folder_of(&[".", "train/a", "test/a"]);
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    let expected = "1 .txt files, 1 images outside the folders of the parts";
    assert_eq!(dataset.train.left_out().to_string(), expected);
    assert!(dataset.test.unwrap().left_out().is_empty());
}

#[test]
fn folders_one_level_too_high_are_no_classes() {
    let error = error_of(&folder_of(&["seg_train/seg_train/sea", "seg_test/seg_test/sea", "x/y"]));
    assert!(
        error.ends_with(
            "its folders `seg_test`, `seg_train` look like parts, not classes: they hold no image, but \
             folders (`seg_test`, `seg_train`); expected parts called train, val and test with a folder \
             per class in each, or the path of one part"
        ),
        "{error}"
    );
    // Sub-folders of classes may share their names, and classes may be called so.
    for folders in [["cat/day", "dog/day"], ["train_station", "test_tube"]] {
        let folder = folder_of(&folders);
        assert_eq!(open(folder.path().to_str().unwrap()).unwrap().train.len(), 2);
    }
}

#[test]
fn what_a_set_without_a_train_part_leaves_out_is_counted_once() {
    let folder = folder_of(&["test/a", "test/b"]);
    std::fs::write(folder.path().join("test/a/1.heic"), "").unwrap();
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    assert!(dataset.train.left_out().is_empty());
    assert_eq!(dataset.test.unwrap().left_out().to_string(), "1 .heic files");
}

#[test]
fn images_without_classes_are_an_error_that_says_where_classes_stand() {
    let error = error_of(&folder_of(&["."]));
    assert!(error.contains("it holds images, but no folder per class"), "{error}");
    assert!(error.contains("expected the folder above"), "{error}");
    let error = error_of(&folder_of(&["train", "test"]));
    assert!(error.contains("train is not a data set: it holds images, but no folder"), "{error}");
    let error = error_of(&folder_of(&["train/a", "test"]));
    assert!(error.contains("test is not a data set: its images have no classes"), "{error}");
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

/// IDX files of these numbers of images in a folder, each of a class of its own.
fn idx_files(folder: &Path, count: u8) {
    use crate::idx::{Elements, Idx};
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, shape: &[usize], values: Vec<u8>| {
        let array = Idx { shape: shape.to_vec(), elements: Elements::U8(values) };
        std::fs::write(folder.join(name), array.to_bytes().unwrap()).unwrap();
    };
    let labels: Vec<u8> = (0..count).collect();
    write("train-images-idx3-ubyte", &[count.into(), 1, 1], labels.clone());
    write("train-labels-idx1-ubyte", &[count.into()], labels);
}

#[test]
fn a_download_of_torchvisions_is_found_from_the_folders_above() {
    let root = tempfile::tempdir().unwrap();
    idx_files(&root.path().join("MNIST/raw"), 12);
    let open_at = |path: &Path| open(path.to_str().unwrap());
    for path in ["MNIST/raw", "MNIST", "."] {
        let train = open_at(&root.path().join(path)).unwrap().train;
        assert_eq!(train.len(), 12, "{path}");
    }
    idx_files(&root.path().join("KMNIST/raw"), 10);
    let error = error_of(&root);
    assert!(error.contains("it holds several data sets; name one of "), "{error}");
    assert!(error.ends_with("MNIST/raw") && error.contains("/KMNIST/raw, "), "{error}");
}

#[test]
fn the_files_of_the_folder_that_is_named_come_before_those_below() {
    let root = tempfile::tempdir().unwrap();
    idx_files(root.path(), 12);
    idx_files(&root.path().join("fashion"), 10);
    let train = || open(root.path().to_str().unwrap()).unwrap().train;
    assert_eq!(train().len(), 12);
    // Tables, too.
    let table = root.path().join("table");
    idx_files(&table.join("raw"), 10);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/parquet/hub.parquet");
    std::fs::copy(golden, table.join("train.parquet")).unwrap();
    assert_eq!(open(table.to_str().unwrap()).unwrap().train.len(), 7);
}

#[test]
fn what_is_not_read_does_not_hide_what_is() {
    let root = tempfile::tempdir().unwrap();
    idx_files(&root.path().join("MNIST/raw"), 12);
    let matlab = root.path().join("svhn");
    std::fs::create_dir(&matlab).unwrap();
    std::fs::write(matlab.join("train_32x32.mat"), "x").unwrap();
    let opened = || open(root.path().to_str().unwrap()).unwrap().train.len();
    assert_eq!(opened(), 12);
    // For all users but root.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let lost = root.path().join("lost+found");
        std::fs::create_dir(&lost).unwrap();
        let set = |mode| std::fs::set_permissions(&lost, std::fs::Permissions::from_mode(mode));
        set(0).unwrap();
        let found = opened();
        set(0o700).unwrap();
        assert_eq!(found, 12);
    }
}

#[test]
fn a_download_that_is_not_read_says_what_is() {
    for (files, expected) in [
        (["train.bin", "test.bin", "x"], "hub:uoft-cs/cifar100"),
        (["train_32x32.mat", "test_32x32.mat", "x"], "hub:ufldl-stanford/svhn"),
        (["train_X.bin", "train_y.bin", "x"], "expected a folder of images per class"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("download");
        std::fs::create_dir(&folder).unwrap();
        files.iter().for_each(|file| std::fs::write(folder.join(file), "x").unwrap());
        let error = error_of(&root);
        assert!(error.ends_with(expected) && error.contains("download is not a data"), "{error}");
        assert_eq!(open(folder.to_str().unwrap()).unwrap_err().to_string(), error);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mat"), "x").unwrap();
    assert!(error_of(&folder).ends_with("found 1 .mat files"));
}

#[test]
fn a_list_may_stand_beside_the_images_of_each_part() {
    let folder = folder_of(&["train/x", "train", "test"]);
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::copy(folder.path().join("test/0.png"), folder.path().join("train/1.png")).unwrap();
    write("train/metadata.csv", "file_name,label\n0.png,b\nx/0.png,a\n");
    write("test/metadata.jsonl", "{\"file_name\": \"0.png\", \"label\": \"b\"}\n");
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(dataset.train.labels(), [0, 1]);
    let left_out = dataset.train.left_out().to_string();
    assert_eq!(left_out, "1 images that metadata.csv does not list");
    assert!(dataset.train.decode(0).is_ok() && dataset.train.item_name(0).ends_with("x/0.png"));
    assert_eq!(dataset.test.unwrap().labels(), [1]);
    let part = open(folder.path().join("train").to_str().unwrap()).unwrap();
    assert_eq!(part.train.class_names(), ["a", "b"]);
    assert_eq!(part.train.left_out().to_string(), left_out);
}

/// A folder with an image in each of these folders, and this list beside them.
fn listed(folders: &[&str], list: &str, text: &str) -> tempfile::TempDir {
    let folder = folder_of(folders);
    std::fs::write(folder.path().join(list), text).unwrap();
    folder
}

#[test]
fn what_no_part_of_a_list_names_is_counted_once() {
    let text = "file_name,label,split\na/0.png,x,train\nb/0.png,x,test\n";
    let folder = listed(&["a", "b", "c"], "metadata.csv", text);
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    let left_out = |part: &dyn Labelled| part.left_out().to_string();
    assert_eq!(left_out(&*dataset.train), "1 images that metadata.csv does not list");
    assert_eq!(left_out(&*dataset.test.unwrap()), "");
}

#[test]
fn a_metadata_file_without_labels_does_not_hide_the_folders() {
    for (list, text) in [
        ("metadata.csv", "source,licence\nweb,CC0\n"),
        ("metadata.jsonl", "{\"file_name\": \"a/0.png\", \"text\": \"an ant\"}\n"),
    ] {
        let folder = listed(&["a", "b"], list, text);
        let train = open(folder.path().to_str().unwrap()).unwrap().train;
        assert_eq!(train.class_names(), ["a", "b"]);
        let ending = list.rsplit('.').next().unwrap();
        assert_eq!(train.left_out().to_string(), format!("1 .{ending} files"));
        // Alone, it is the list that was meant.
        let error = error_of(&listed(&["images"], list, text));
        assert!(error.contains(list), "{error}");
    }
    // A column that a setting names is looked for.
    let folder = listed(&["a", "b"], "metadata.csv", "photo,kind\na/0.png,x\nb/0.png,y\n");
    let columns = Columns {
        image: Some("photo".to_owned()),
        label: Some("kind".to_owned()),
        ..Columns::default()
    };
    let train = open_with(folder.path().to_str().unwrap(), &columns).unwrap().train;
    assert_eq!(train.class_names(), ["x", "y"]);
}

#[test]
fn a_list_beside_the_folders_of_parts_keeps_them_apart() {
    let text = "file_name,label\ntrain/0.png,x\ntest/0.png,x\n";
    let folder = listed(&["train", "test"], "metadata.csv", text);
    let dataset = open(folder.path().to_str().unwrap()).unwrap();
    assert!(dataset.train.item_name(0).ends_with("train/0.png"));
    assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (1, 1));
    let text = format!("{text}more/0.png,x\n");
    let error = error_of(&listed(&["train", "test", "more"], "metadata.csv", &text));
    assert!(error.contains("others, such as `more/0.png`, do not; expected a column"), "{error}");
}

#[test]
fn netpbm_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a/0.pgm", &b"P5 2 1 255\n\x07\xff"[..]),
        ("a/1.PPM", b"P6\n# a comment\n1 1\n255\n\x01\x02\x03"),
        ("b/0.pbm", b"P1\n2 1\n1 0\n"),
        ("b/1.pnm", b"P2\n1 1\n15\n15\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let train = open(folder.path().to_str().unwrap()).unwrap().train;
    let pixels: Vec<Vec<u8>> = (0..4).map(|item| train.decode(item).unwrap().pixels).collect();
    // A set bit of a bitmap is black; 15 of 15 is white.
    assert_eq!(pixels, [vec![7, 255], vec![1, 2, 3], vec![0, 255], vec![255]]);
    std::fs::write(folder.path().join("a/0.pgm"), b"P5 2 1 255\n\x07").unwrap();
    assert!(train.decode(0).unwrap_err().to_string().contains("0.pgm is not a readable image"));
}
