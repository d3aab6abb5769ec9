use super::*;

fn parsed(
    text: impl AsRef<[u8]>,
    form: Form,
    columns: &Columns,
) -> std::result::Result<Vec<Entry>, String> {
    super::parse(text.as_ref(), form, columns, &mut Room::of(KEPT, Path::new(""), columns))
}

fn csv(text: &str) -> std::result::Result<Vec<(String, String, Option<Split>)>, String> {
    let entries = parsed(text, Form::Separated(b','), &Columns::default())?;
    let path = |path: PathBuf| path.display().to_string();
    Ok(entries.into_iter().map(|entry| (path(entry.path), entry.label, entry.split)).collect())
}

fn entry_of(
    path: &str,
    label: &str,
    split: impl Into<Option<Split>>,
) -> (String, String, Option<Split>) {
    (path.to_owned(), label.to_owned(), split.into())
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let found = csv("Class,id,Filename,split\ncat,7,\"a, b.png\",test\ndog,8,c.png,train\n");
    let expected =
        [entry_of("a, b.png", "cat", Split::Test), entry_of("c.png", "dog", Split::Train)];
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn without_a_line_of_names_the_columns_are_path_label_split() {
    let found = csv("\u{feff}a.png,1\r\nb.png, 2\r\n").unwrap();
    let expected = [entry_of("a.png", "1", None), entry_of("b.png", "2", None)];
    assert_eq!(found, expected);
    assert_eq!(csv("a.png,1,dev").unwrap(), [entry_of("a.png", "1", Split::Validation)]);
}

#[test]
fn json_lines_take_numbers_and_names() {
    let text = "{\"file_name\": \"a.png\", \"label\": 3}\n\n{\"path\": \"b\", \"class\": \"x\"}";
    let entries = parsed(text, Form::JsonLines, &Columns::default()).unwrap();
    assert_eq!(entries[0].label, "3");
    assert_eq!(entries[1].path, Path::new("b"));
    let text = "{\"path\": \"a\", \"label\": true}\n{\"path\": \"b\", \"label\": 2.0}";
    let entries = parsed(text, Form::JsonLines, &Columns::default()).unwrap();
    assert_eq!((&*entries[0].label, &*entries[1].label), ("True", "2.0"));
    let text = b"{\"path\": 17, \"label\": 1}";
    let entries = parsed(text, Form::JsonLines, &Columns::default()).unwrap();
    assert_eq!(entries[0].path, Path::new("17"));
}

#[test]
fn what_is_not_understood_is_told_with_its_line() {
    assert!(csv("").unwrap_err().contains("lists no image"));
    assert!(csv("path,label\na.png\n").unwrap_err().starts_with("line 2: expected a path"));
    assert_eq!(csv("a.png,\n").unwrap_err(), "line 1: its label is empty");
    // Blank lines count, before the names and between lines, however they end.
    for text in ["\n\npath,label\n\na.png,\n", "\r\n\r\npath,label\r\n\r\na.png,\r\n"] {
        assert_eq!(csv(text).unwrap_err(), "line 5: its label is empty", "{text:?}");
    }
    let quoted = "path,label\n\"a\n\n.png\",b\n\nc.png,\n";
    assert_eq!(csv(quoted).unwrap_err(), "line 6: its label is empty");
    assert!(csv("a,b,tests").unwrap_err().contains("its split is `tests`"));
    let json = |text: &str| parsed(text, Form::JsonLines, &Columns::default()).unwrap_err();
    assert!(
        json("{\"path\": 1.5, \"label\": 1}")
            .starts_with("line 1: expected a string or a whole number `image`")
    );
    assert!(json("{\"path\": \"a\", \"label\": 1.5}").starts_with("line 1: expected"));
    assert!(json("[]").starts_with("line 1: it is not a JSON object"));
}

#[test]
fn another_separator_is_named() {
    let error = csv("a.png;cat\nb.png;dog\n").unwrap_err();
    assert_eq!(error, "its values are separated by ';', expected ','");
    let tabs = parsed(b"a.png,cat", Form::Separated(b'\t'), &Columns::default()).unwrap_err();
    assert_eq!(tabs, "its values are separated by ',', expected '\\t'");
}

#[test]
fn columns_go_by_the_names_that_are_given() {
    let columns =
        Columns { image: Some("photo".into()), label: Some("kind".into()), ..Columns::default() };
    let text = "label,Kind,photo\n1,cat,a.png\n";
    let entries = parsed(text, Form::Separated(b','), &columns).unwrap();
    assert_eq!((entries[0].path.to_str(), &*entries[0].label), (Some("a.png"), "cat"));
    let json = b"{\"photo\": \"a.png\", \"kind\": 3}";
    assert_eq!(parsed(json, Form::JsonLines, &columns).unwrap()[0].label, "3");
    let error = parsed(b"path,label\na,1\n", Form::Separated(b','), &columns).unwrap_err();
    assert_eq!(
        error,
        "expected columns photo and kind, found path, label (`photo` is as the settings name it)"
    );
}

#[test]
fn a_first_line_that_is_not_understood_is_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.csv");
    std::fs::write(&list, "name,kind\na.png,cat\nb.png,dog\n").unwrap();
    let open = || read(&list, &Columns::default());
    let error = open().unwrap_err().to_string();
    assert!(error.contains("its first line is neither an image (there is no `name`)"), "{error}");
    assert!(error.contains("data.image_column"), "{error}");
    // A file without an ending can be an image.
    std::fs::write(folder.path().join("name"), "").unwrap();
    assert_eq!(open().unwrap().train.len(), 3);
}

#[test]
fn ids_become_paths_by_a_folder_and_an_ending() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("train");
    std::fs::create_dir(&images).unwrap();
    for name in ["00f.png", "01.b.png"] {
        ::image::GrayImage::new(2, 2).save(images.join(name)).unwrap();
    }
    let list = folder.path().join("labels.csv");
    let open = |text: &str, columns: &Columns| {
        std::fs::write(&list, text).unwrap();
        read(&list, columns)
    };
    let text = "file,label\n00f,beagle\n01.b,corgi\n";
    let error = open(text, &Columns::default()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "none of its 2 images is there, such as `00f`; `train/00f.png` is there: set \
             data.image_folder=train and data.image_suffix=.png"
        ),
        "{error}"
    );
    let columns = Columns {
        image_folder: "train".into(),
        image_suffix: ".png".to_owned(),
        ..Columns::default()
    };
    let train = open(text, &columns).unwrap().train;
    assert!(train.decode(0).is_ok() && train.decode(1).is_ok());
    // Without a line of names, too.
    assert_eq!(open("00f,beagle\n01.b,corgi\n", &columns).unwrap().train.len(), 2);
    let error = open("path,label\nx/9.png,a\n", &Columns::default()).unwrap_err().to_string();
    assert!(error.contains("such as `x/9.png`; paths are relative to the list; set "), "{error}");
    // As Windows writes paths.
    let train = open("path,label\ntrain\\00f.png,a\n", &Columns::default()).unwrap().train;
    assert!(train.decode(0).is_ok());
}

#[test]
fn advice_names_files_that_are_there_and_what_leads_to_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/0.png", "list/x", "list/1.5.png", "list/1.png"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = ::image::GrayImage::new(2, 2);
        image.save_with_format(path, ::image::ImageFormat::Png).unwrap();
    }
    let advice = |list: &str, path: &str, columns: &Columns| {
        let text = format!("path,label\n{path},a\n");
        let list = folder.path().join(list);
        std::fs::write(&list, text).unwrap();
        let error = read(&list, columns).unwrap_err().to_string();
        error.split_once("; ").unwrap().1.to_owned()
    };
    let default = Columns::default();
    let wrong = Columns {
        image_folder: "images".into(),
        image_suffix: ".jpg".to_owned(),
        ..Columns::default()
    };
    for (list, path, columns, expected) in [
        (
            "train/list.csv",
            "train/0.png",
            &default,
            "`../train/0.png` is there: set data.image_folder=..",
        ),
        ("list/list.csv", "1", &default, "`1.png` is there: set data.image_suffix=.png"),
        (
            "list/list.csv",
            "x",
            &wrong,
            "`x` is there: leave out data.image_folder and data.image_suffix",
        ),
        (
            "list.csv",
            "0.png",
            &wrong,
            "`train/0.png` is there: set data.image_folder=train, leave out data.image_suffix",
        ),
    ] {
        assert_eq!(advice(list, path, columns), expected);
    }
    // No setting makes one folder of another.
    assert!(advice("list.csv", "img/0", &default).starts_with("paths are relative"));
}

#[test]
fn a_list_may_begin_with_images_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    ::image::GrayImage::new(2, 2).save(folder.path().join("20.png")).unwrap();
    let list = folder.path().join("list.csv");
    let lines: String = (0..=20).map(|item| format!("{item}.png,a\n")).collect();
    std::fs::write(&list, format!("path,label\n{lines}")).unwrap();
    let train = read(&list, &Columns::default()).unwrap().train;
    assert_eq!((train.len(), train.decode(20).is_ok()), (21, true));
}

#[test]
fn a_list_is_a_source_ordered_by_class_then_line() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.png", "y.png", "z.png"] {
        ::image::GrayImage::new(2, 2).save(folder.path().join(name)).unwrap();
    }
    let list = folder.path().join("list.csv");
    std::fs::write(&list, "path,label,split\nz.png,b,train\ny.png,a,train\nx.png,b,test\n")
        .unwrap();
    let dataset = read(&list, &Columns::default()).unwrap();
    assert_eq!(dataset.train.class_names(), ["a", "b"]);
    assert_eq!(dataset.train.labels(), [0, 1]);
    assert!(dataset.train.item_name(0).ends_with("y.png"));
    let test = dataset.test.unwrap();
    assert_eq!((test.labels(), test.decode(0).unwrap().size()), (vec![1], [2, 2, 1]));
    assert!(dataset.validation.is_none());
    std::fs::write(&list, "path,label,split\nz.png,b,train\nx.png,c,test\n").unwrap();
    let error = read(&list, &Columns::default()).unwrap_err().to_string();
    assert!(error.ends_with("its class `c` is none of the 1 classes (`b`, …)"), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_list_or_an_error(text: Vec<u8>, json: bool) {
        let _ = parse_bytes(&text, json);
    }

    #[test]
    fn any_text_of_these_marks_is_a_list_or_an_error(text in "[ab,\"\n\r{}:1\\[]{0,60}") {
        let _ = parse_bytes(text.as_bytes(), false);
        let _ = parse_bytes(text.as_bytes(), true);
    }
}

#[test]
fn an_image_that_is_listed_under_two_labels_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("x.csv");
    ::image::GrayImage::new(2, 2).save(folder.path().join("1.png")).unwrap();
    let read = |text: &str| {
        std::fs::write(&list, text).unwrap();
        super::read(&list, &Columns::default()).map(|dataset| dataset.train.len())
    };
    let error = read("path,label\n1.png,cat\n2.png,dog\n./1.png,dog\n2.png,cat\n").unwrap_err();
    let path = folder.path().join("1.png").display().to_string();
    assert!(
        error.to_string().ends_with(&format!(
            "`{path}` is listed as `cat` in line 2 and as `dog` in line 4, and 1 more are such; an image has one \
             class"
        )),
        "{error}"
    );
    // Twice under one label it counts twice; numbers are compared by value.
    assert_eq!(read("path,label\n1.png,1\n1.png,1.0\n").unwrap(), 2);
    // In another part, too.
    assert!(read("path,label,split\n1.png,a,train\n1.png,b,test\n").is_err());
    // Nor is one image in two parts.
    let text = "path,label,split\n1.png,a,train\n2.png,a,test\n./1.png,a,test\n";
    let error = read(text).unwrap_err().to_string();
    let expected = "is listed in the part `train` in line 2 and in the part `test` in line 4; an image is in one part";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn an_image_is_the_same_however_its_path_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("x.csv");
    std::fs::create_dir_all(folder.path().join("img/more")).unwrap();
    ::image::GrayImage::new(2, 2).save(folder.path().join("img/0.png")).unwrap();
    let read = |text: &str| {
        std::fs::write(&list, format!("path,label\n{text}")).unwrap();
        super::read(&list, &Columns::default()).map(|dataset| dataset.train.len())
    };
    for path in ["img/../img/0.png", "./img//0.png", "img/more/../0.png", "x/y/../../img/./0.png"] {
        let error = read(&format!("img/0.png,a\n{path},b\n")).unwrap_err().to_string();
        assert!(error.ends_with("as `a` in line 2 and as `b` in line 3; an image has one class"));
        assert_eq!(read(&format!("img/0.png,a\n{path},a\n")).unwrap(), 2);
    }
    // Behind a link `..` leads elsewhere.
    #[cfg(unix)]
    {
        ::image::GrayImage::new(2, 2).save(folder.path().join("0.png")).unwrap();
        std::os::unix::fs::symlink("img/more", folder.path().join("link")).unwrap();
        assert_eq!(read("0.png,a\nlink/../0.png,b\n").unwrap(), 2);
    }
    // Of a list in the folder where the program runs.
    let entries = ["0.png", "./0.png"].map(|path| Entry {
        path: path.into(),
        label: path.to_owned(),
        split: None,
        line: 1,
    });
    assert!(one_label_each(&entries).is_err());
}

#[test]
fn lines_that_are_out_of_proportion_are_an_error() {
    for form in [Form::JsonLines, Form::Separated(b',')] {
        let error = |text: String| parsed(text, form, &Columns::default()).unwrap_err();
        let long = "x".repeat(2 * LINE);
        assert!(error(long).starts_with("line 1: it has more than 1048576 bytes"));
    }
    let empty = parsed("\n".repeat(3_000_000), Form::JsonLines, &Columns::default());
    assert_eq!(empty.unwrap_err(), "it lists no image");
    let quoted = format!("path,label\na,b\na,\"{}", "b\n".repeat(LINE));
    let error = parsed(quoted, Form::Separated(b','), &Columns::default()).unwrap_err();
    let expected = "line 3: it has more than 1048576 bytes, or a quotation mark that none ends";
    assert_eq!(error, expected);
}

#[test]
fn what_is_kept_of_a_list_has_a_limit_that_counts_bytes() {
    for (form, text) in [
        (Form::Separated(b','), "a,b\nc,d\ne,f\n"),
        (Form::JsonLines, "{\"path\":\"a\",\"label\":1}\n\n\n{\"path\":\"b\",\"label\":1}\n"),
    ] {
        let columns = &Columns::default();
        let parse = |bytes, folder: &str| {
            let room = &mut Room::of(bytes, Path::new(folder), columns);
            super::parse(text.as_bytes(), form, columns, room)
        };
        assert!(parse(3 * (EACH + 2), "").is_ok());
        let line = if form == Form::JsonLines { 4 } else { 2 };
        for error in [parse(EACH + 3, ""), parse(2 * (EACH + 2), "f")] {
            let expected = format!("line {line}: what is kept of it and the lines before takes ");
            let error = error.unwrap_err();
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
