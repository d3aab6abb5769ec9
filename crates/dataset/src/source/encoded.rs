//! Images as the files hold them, still encoded, with labels: the rows of a table.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use taper_untrusted::fenced;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::files::read_whole;
use crate::source::image_file::{ImageLimits, decode_image, stored_pixels};
use crate::source::images::{Images, Labelled};
use crate::source::labels::Labels;
use crate::source::left_out::LeftOut;
use crate::source::list_paths::under_two_labels;

/// Encoded images that are kept in memory; what goes beyond lies in a temporary file.
const IN_MEMORY: usize = 256 << 20;

/// Rows that are being collected.
pub(crate) struct Rows {
    pub labels: Labels,
    /// Whether images are collected too, or are left empty, to be read when one is asked for.
    pub with_images: bool,
    bytes: Vec<u8>,
    /// Where each image ends, counted over memory and file.
    ends: Vec<u64>,
    /// Of rows that name a file in place of an image, its path.
    paths: BTreeMap<usize, PathBuf>,
    file: Option<File>,
    /// How the rows are called: from which on, by what.
    names: Vec<(usize, String)>,
    /// What was found beside and not taken.
    pub left_out: LeftOut,
    in_memory: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Rows::within(IN_MEMORY)
    }
}

impl Rows {
    /// Rows of which at most this many bytes are kept in memory.
    pub(crate) fn within(in_memory: usize) -> Self {
        let (labels, names, paths) = (Labels::default(), Vec::new(), BTreeMap::new());
        Rows {
            labels,
            with_images: true,
            bytes: Vec::new(),
            ends: Vec::new(),
            paths,
            file: None,
            names,
            left_out: LeftOut::default(),
            in_memory,
        }
    }

    /// From here on, rows are called "`name` row 0" and so on.
    pub(crate) fn begin(&mut self, name: String) {
        self.names.push((self.ends.len(), name));
    }

    /// Adds an image; its label comes by itself.
    pub(crate) fn add(&mut self, image: &[u8]) -> std::io::Result<()> {
        let end = self.ends.last().copied().unwrap_or(0) + image.len() as u64;
        if self.file.is_none() && self.bytes.len() + image.len() <= self.in_memory {
            self.bytes.extend_from_slice(image);
        } else {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all(image)?;
        }
        self.ends.push(end);
        Ok(())
    }

    /// How many images there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether a row from the first on has neither an image nor the path of one.
    pub(crate) fn lack_images(&self, first: usize) -> bool {
        (first..self.len()).any(|row| self.is_empty(row) && !self.paths.contains_key(&row))
    }

    /// Whether all rows from the first on name files, none of which is there.
    pub(crate) fn lead_nowhere(&self, first: usize) -> bool {
        self.paths.range(first..).count() == self.len() - first
            && self.paths.range(first..).all(|(_, path)| !path.exists())
    }

    fn is_empty(&self, row: usize) -> bool {
        self.ends[row] == if row == 0 { 0 } else { self.ends[row - 1] }
    }

    /// The image of a row that has none, or is the next, is a file.
    pub(crate) fn set_path(&mut self, row: usize, path: PathBuf) -> std::io::Result<()> {
        if row == self.len() {
            self.add(&[])?;
        }
        if self.is_empty(row) {
            self.paths.insert(row, path);
        }
        Ok(())
    }

    /// The source of these rows, its classes numbered by `class_names` if they are given. `later` gives the same
    /// rows with their images, if these have none yet; it is called when the first image is asked for.
    ///
    /// # Errors
    ///
    /// When there is no row, as many labels as images are missing, a label is none of the classes, or a file is named
    /// under two labels.
    pub(crate) fn finish(
        self,
        origin: String,
        class_names: Option<&[String]>,
        later: Option<Later>,
    ) -> Result<Encoded> {
        let layout = |reason: String| Error::Layout { path: PathBuf::from(&origin), reason };
        if self.ends.is_empty() {
            return Err(layout("it has no rows".to_owned()));
        }
        if self.labels.len() != self.ends.len() {
            let (image_count, label_count) = (self.ends.len(), self.labels.len());
            let (images, labels) = (origin.clone(), origin);
            return Err(Error::Counts { images, image_count, labels, label_count });
        }
        let (labels, class_names) = self.labels.finish_by_value(class_names).map_err(layout)?;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&row| labels[row]); // stable: by row within a class
        let (bytes, ends, names, paths) = (self.bytes, self.ends, self.names, self.paths);
        let (file, left_out) = (self.file.map(Mutex::new), self.left_out);
        let now = Stored { bytes, ends, paths, file };
        let read = OnceLock::new();
        let encoded =
            Encoded { origin, now, later, read, names, left_out, labels, order, class_names };
        encoded.one_label_each(&encoded.now.paths).map_err(|reason| encoded.layout(&reason))?;
        Ok(encoded)
    }
}

/// Reads rows with their images.
pub(crate) type Later = Box<dyn Fn() -> Result<Rows> + Send + Sync>;

/// Images, or their paths, row by row.
struct Stored {
    bytes: Vec<u8>,
    ends: Vec<u64>,
    paths: BTreeMap<usize, PathBuf>,
    file: Option<Mutex<File>>,
}

/// A source whose images are decoded from memory or from a temporary file.
pub(crate) struct Encoded {
    origin: String,
    /// What was read when it was opened.
    now: Stored,
    /// How what has images is read.
    later: Option<Later>,
    /// That, once it was read; or why it cannot be.
    read: OnceLock<std::result::Result<Stored, String>>,
    names: Vec<(usize, String)>,
    left_out: LeftOut,
    /// Label of each row.
    labels: Vec<u32>,
    /// Row of each item.
    order: Vec<usize>,
    class_names: Vec<String>,
}

impl Stored {
    /// The bytes of a row's image; none where it has neither bytes nor the path of a file.
    fn image(&self, row: usize, origin: &str) -> Result<Vec<u8>> {
        if let Some(path) = self.paths.get(&row) {
            return read_whole(path, ImageLimits::default().file_bytes);
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let len = (self.ends[row] - start) as usize;
        let in_memory = self.bytes.len() as u64;
        if start < in_memory || len == 0 {
            // An image lies in memory whole or not at all.
            let start = (start as usize).min(self.bytes.len());
            return Ok(self.bytes[start..start + len].to_vec());
        }
        let mut image = vec![0; len];
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let read = file.seek(SeekFrom::Start(start - in_memory));
            read.and_then(|_| file.read_exact(&mut image)).map_err(|source| Error::Read {
                path: PathBuf::from(format!("the temporary copy of {origin}")),
                source,
            })?;
        }
        Ok(image)
    }
}

impl Encoded {
    /// The images, which are read now if they were not yet.
    fn stored(&self) -> Result<&Stored> {
        let Some(later) = &self.later else { return Ok(&self.now) };
        let read = self.read.get_or_init(|| {
            let rows = fenced("its decoder", later)?.map_err(|error| error.to_string())?;
            let Rows { labels, bytes, ends, paths, file, .. } = rows;
            let count = ends.len();
            let same = |labels: &Vec<u32>| *labels == self.labels && count == labels.len();
            let labels = labels.finish_by_value(Some(&self.class_names));
            if !labels.is_ok_and(|(labels, _)| same(&labels)) {
                return Err(format!(
                    "it changed after it was opened, and has {count} rows or other labels now; run it again"
                ));
            }
            self.one_label_each(&paths)?;
            Ok(Stored { bytes, ends, paths, file: file.map(Mutex::new) })
        });
        read.as_ref().map_err(|reason| self.layout(reason))
    }

    fn layout(&self, reason: &str) -> Error {
        Error::Layout { path: (&self.origin).into(), reason: reason.to_owned() }
    }

    /// Makes sure that no file is named under two labels.
    fn one_label_each(&self, paths: &BTreeMap<usize, PathBuf>) -> std::result::Result<(), String> {
        let named: Vec<(&usize, &PathBuf)> = paths.iter().collect();
        let label = |place: usize| self.labels[*named[place].0];
        let differ = |a: usize, b: usize| label(a) != label(b);
        let twice = under_two_labels(named.len(), |place| named[place].1, differ);
        let told = |place: usize| {
            let class = &self.class_names[label(place) as usize];
            format!("as `{class}` in {}", self.place_of(*named[place].0))
        };
        twice.map_or(Ok(()), |twice| Err(twice.told(named[twice.first].1, told, "has one class")))
    }

    /// What an item is called: as what was read first says it, so that no name has images read.
    fn row_name(&self, row: usize) -> String {
        match self.now.paths.get(&row) {
            Some(path) => path.display().to_string(),
            None => self.place_of(row),
        }
    }

    /// The file and the row in it.
    fn place_of(&self, row: usize) -> String {
        let place = self.names.partition_point(|(first, _)| *first <= row);
        match place.checked_sub(1).map(|place| &self.names[place]) {
            Some((first, name)) => format!("{name} row {}", row - first),
            None => format!("{} row {row}", self.origin),
        }
    }
}

impl Images for Encoded {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let row = self.order[index];
        let stored = self.stored()?;
        let image = stored.image(row, &self.origin)?;
        let path = stored.paths.get(&row);
        if image.is_empty() && path.is_none() {
            let reason = "it has neither bytes nor the path of a file".to_owned();
            return Err(Error::Image { item: self.row_name(row), reason });
        }
        let name = path.map_or_else(|| self.place_of(row), |path| path.display().to_string());
        decode_image(&image, name, &ImageLimits::default())
    }

    fn item_name(&self, index: usize) -> String {
        self.row_name(self.order[index])
    }

    fn stored(&self, index: usize) -> Option<String> {
        stored_pixels(&self.stored().ok()?.image(self.order[index], &self.origin).ok()?)
    }

    fn describe(&self) -> String {
        let (rows, classes) = (self.len(), self.class_names.len());
        let what = if self.now.paths.is_empty() { "encoded images" } else { "images" };
        format!("{}: {rows} {what}, {classes} classes{}", self.origin, self.left_out.tail())
    }

    fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }
}

impl Labelled for Encoded {
    fn label(&self, index: usize) -> u32 {
        self.labels[self.order[index]]
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::to_png;

    fn rows(in_memory: usize) -> Encoded {
        let mut rows = Rows::within(in_memory);
        rows.begin("a.parquet".to_owned());
        for row in 0..6u8 {
            if row == 4 {
                rows.begin("b.parquet".to_owned());
            }
            let image = Image::new(1, 2, 1, vec![row, 100 + row]).unwrap();
            rows.labels.add_number(i64::from(row % 2));
            rows.add(&to_png(&image)).unwrap();
        }
        rows.finish("some".to_owned(), None, None).unwrap()
    }

    #[test]
    fn rows_are_ordered_by_class_then_row_wherever_they_lie() {
        // All in memory, some beyond it, none in memory.
        for in_memory in [1 << 20, 200, 0] {
            let source = rows(in_memory);
            assert_eq!(source.labels(), [0, 0, 0, 1, 1, 1]);
            let first = |item| source.decode(item).unwrap().pixels[0];
            assert_eq!((0..6).map(first).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
            assert_eq!(source.item_name(2), "b.parquet row 0");
            assert_eq!(source.item_name(3), "a.parquet row 1");
        }
    }

    #[test]
    fn rows_without_image_or_label_are_an_error() {
        let empty = Rows::default().finish("x".to_owned(), None, None).err().unwrap();
        assert_eq!(empty.to_string(), "x is not a data set: it has no rows");
        let mut rows = Rows::default();
        rows.add(b"").unwrap();
        let error = rows.finish("x".to_owned(), None, None).err().unwrap().to_string();
        assert_eq!(error, "counts differ: x holds 1 images, x holds 0 labels");
    }

    #[test]
    fn a_row_that_is_no_image_is_an_error_with_its_name() {
        let mut rows = Rows::default();
        rows.begin("a.parquet".to_owned());
        rows.add(b"").unwrap();
        rows.labels.add_number(0);
        let source = rows.finish("x".to_owned(), None, None).unwrap();
        let error = source.decode(0).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.parquet row 0 is not a readable image: it has neither bytes nor the path of a file"
        );
    }

    #[test]
    fn a_file_that_is_named_under_two_labels_is_an_error() {
        let source = |names: [&str; 3], labels: [i64; 3]| {
            let mut rows = Rows::default();
            rows.begin("a.parquet".to_owned());
            for (row, (name, label)) in names.into_iter().zip(labels).enumerate() {
                rows.labels.add_number(label);
                rows.set_path(row, PathBuf::from("img").join(name)).unwrap();
            }
            rows.finish("x".to_owned(), None, None)
        };
        let error = source(["0.png", "1.png", "../img/./0.png"], [7, 7, 8]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "x is not a data set: `img/0.png` is listed as `7` in a.parquet row 0 and as `8` in a.parquet row 2; an \
             image has one class"
        );
        assert!(source(["0.png", "0.png", "1.png"], [7, 7, 8]).is_ok());
    }

    #[test]
    fn images_that_are_read_later_must_be_of_the_same_rows() {
        let rows = |with_images: bool, labels: &[i64]| {
            let mut rows = Rows { with_images, ..Rows::default() };
            rows.begin("a.parquet".to_owned());
            for (row, label) in labels.iter().enumerate() {
                rows.labels.add_number(*label);
                let image = Image::new(1, 1, 1, vec![row as u8]).unwrap();
                rows.add(&if with_images { to_png(&image) } else { Vec::new() }).unwrap();
            }
            rows
        };
        let first = |now: &'static [i64]| {
            let reads = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let (count, of) = (reads.clone(), std::sync::atomic::Ordering::SeqCst);
            let later: Later = Box::new(move || {
                count.fetch_add(1, of);
                Ok(rows(true, now))
            });
            let source = rows(false, &[5, 9, 5]).finish("x".to_owned(), None, Some(later)).unwrap();
            // A name alone has nothing read.
            assert_eq!((&*source.item_name(1), reads.load(of)), ("a.parquet row 2", 0));
            source.decode(1).map(|image| image.pixels[0]).map_err(|error| error.to_string())
        };
        assert_eq!(first(&[5, 9, 5]), Ok(2));
        for (now, count) in [(&[9, 9, 5][..], 3), (&[5, 9, 5, 5], 4), (&[5, 9, 6], 3)] {
            let expected = format!(
                "x is not a data set: it changed after it was opened, and has {count} rows or other labels now; run \
                 it again"
            );
            assert_eq!(first(now), Err(expected), "{now:?}");
        }
    }

    #[test]
    fn a_row_may_name_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.png");
        ::image::GrayImage::new(2, 3).save(&path).unwrap();
        let mut rows = Rows::default();
        for (row, name) in ["0.png", "1.png"].into_iter().enumerate() {
            rows.labels.add_number(0);
            rows.set_path(row, folder.path().join(name)).unwrap();
        }
        let source = rows.finish("x".to_owned(), None, None).unwrap();
        assert_eq!(source.decode(0).unwrap().size(), [3, 2, 1]);
        assert_eq!(source.item_name(0), path.display().to_string());
        assert!(source.decode(1).unwrap_err().to_string().contains("1.png"));
    }
}
