//! What a parquet file says of its columns: schema, row groups and the writer's own keys.
//!
//! <https://parquet.apache.org/docs/file-format/metadata/>

use super::thrift::{Reader, Result};

/// The footer of a file.
#[derive(Debug, Default)]
pub(super) struct Footer {
    /// The columns with values, in the file's order.
    pub columns: Vec<Column>,
    pub row_groups: Vec<RowGroup>,
    /// What the key `huggingface` holds, if it is there.
    pub hugging_face: Option<String>,
}

/// A column that has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Names from the outside in, dots between: `image.bytes`.
    pub path: String,
    pub kind: Physical,
    /// Whether its bytes are text.
    pub is_text: bool,
    /// How many of its levels may be absent.
    pub optional: u32,
    /// Whether it is a list, or lies in one.
    pub repeated: bool,
}

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Boolean,
    Int32,
    Int64,
    Float,
    Double,
    Bytes,
    Other(i64),
}

impl std::fmt::Display for Column {
    /// What it holds, for an error: `lists of 64-bit integers`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Physical::Boolean => "booleans",
            Physical::Int32 => "32-bit integers",
            Physical::Int64 => "64-bit integers",
            Physical::Float | Physical::Double => "floats",
            Physical::Bytes if self.is_text => "text",
            Physical::Bytes => "bytes",
            Physical::Other(3) => "96-bit times",
            Physical::Other(_) => "bytes of a fixed length",
        };
        f.write_str(if self.repeated { "lists of " } else { "" })?;
        f.write_str(kind)
    }
}

/// Some rows, column by column.
#[derive(Debug, Default, Clone)]
pub(super) struct RowGroup {
    pub rows: usize,
    pub chunks: Vec<Chunk>,
}

/// A column of a row group.
#[derive(Debug, Default, Clone)]
pub(super) struct Chunk {
    pub path: String,
    pub codec: i64,
    pub values: usize,
    /// Where its pages begin in the file.
    pub start: usize,
    /// Bytes of its pages.
    pub len: usize,
}

/// The most columns and row groups that are listed.
const MOST: usize = 100_000;

impl Footer {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut footer = Footer::default();
        let mut schema = Vec::new();
        Reader::new(bytes).structure(|reader, id, _| {
            match id {
                2 => reader.list(|reader| push(&mut schema, Element::read(reader)?))?,
                4 => reader.list(|reader| push(&mut footer.row_groups, RowGroup::read(reader)?))?,
                5 => reader.list(|reader| {
                    if let Some((key, value)) = key_value(reader)?
                        && key == "huggingface"
                    {
                        footer.hugging_face = Some(value);
                    }
                    Ok(())
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        footer.columns = columns(&schema)?;
        Ok(footer)
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    if list.len() >= MOST {
        return Err("it lists more than 100,000 columns or row groups");
    }
    list.push(item);
    Ok(())
}

fn key_value(reader: &mut Reader<'_>) -> Result<Option<(String, String)>> {
    let (mut key, mut value) = (None, None);
    reader.structure(|reader, id, _| {
        match id {
            1 => key = Some(reader.text()?),
            2 => value = Some(reader.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(key.zip(value))
}

/// A node of the schema, which is a tree written from its root on.
#[derive(Debug, Default)]
struct Element {
    name: String,
    kind: Option<i64>,
    repetition: i64,
    children: usize,
    is_text: bool,
}

impl Element {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut element = Element::default();
        reader.structure(|reader, id, _| {
            match id {
                1 => element.kind = Some(reader.integer()?),
                3 => element.repetition = reader.integer()?,
                4 => element.name = reader.text()?,
                5 => element.children = reader.count()?,
                // By the old way of saying it, and by the new one.
                6 => element.is_text |= reader.integer()? == 0,
                10 => reader.structure(|_, kind, _| {
                    element.is_text |= kind == 1;
                    Ok(false)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(element)
    }
}

/// The leaves of the tree.
fn columns(schema: &[Element]) -> Result<Vec<Column>> {
    let (_, elements) = schema.split_first().ok_or("it has no schema")?;
    /// A node whose children are being listed.
    struct Open {
        path: String,
        optional: u32,
        repeated: bool,
        left: usize,
    }
    let root = Open { path: String::new(), optional: 0, repeated: false, left: usize::MAX };
    let (mut open, mut columns) = (vec![root], Vec::new());
    for element in elements {
        while open.len() > 1 && open.last().is_some_and(|node| node.left == 0) {
            open.pop();
        }
        let parent = open.last_mut().ok_or("its schema is not a tree")?;
        parent.left -= 1; // above 0, or the root's
        let path = match parent.path.as_str() {
            "" => element.name.clone(),
            path => format!("{path}.{}", element.name),
        };
        let optional = parent.optional + u32::from(element.repetition != 0);
        let repeated = parent.repeated || element.repetition == 2;
        match element.kind {
            Some(kind) if element.children == 0 => {
                let kind = match kind {
                    0 => Physical::Boolean,
                    1 => Physical::Int32,
                    2 => Physical::Int64,
                    4 => Physical::Float,
                    5 => Physical::Double,
                    6 => Physical::Bytes,
                    other => Physical::Other(other),
                };
                let is_text = element.is_text;
                columns.push(Column { path, kind, is_text, optional, repeated });
            }
            _ if open.len() > 16 => return Err("its schema lies too deep"),
            _ => open.push(Open { path, optional, repeated, left: element.children }),
        }
    }
    Ok(columns)
}

impl RowGroup {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut group = RowGroup::default();
        reader.structure(|reader, id, _| {
            match id {
                1 => reader.list(|reader| push(&mut group.chunks, Chunk::read(reader)?))?,
                3 => group.rows = reader.count()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(group)
    }
}

impl Chunk {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut chunk = Chunk::default();
        reader.structure(|reader, id, _| match id {
            3 => chunk.read_metadata(reader).map(|()| true),
            _ => Ok(false),
        })?;
        Ok(chunk)
    }

    fn read_metadata(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (mut names, mut data, mut dictionary) = (Vec::new(), 0, None);
        reader.structure(|reader, id, _| {
            match id {
                3 => reader.list(|reader| push(&mut names, reader.text()?))?,
                4 => self.codec = reader.integer()?,
                5 => self.values = reader.count()?,
                7 => self.len = reader.count()?,
                9 => data = reader.count()?,
                11 => dictionary = Some(reader.count()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.path = names.join(".");
        // Some writers say 0 for a dictionary that is not there.
        self.start = dictionary.filter(|&place| place > 0).map_or(data, |place| place.min(data));
        Ok(())
    }
}
