//! What can go wrong with weights.

use std::io;
use std::path::PathBuf;

use safetensors::SafeTensorError;

use super::report::{Entry, LoadReport};
use crate::params::ParamsError;

/// What went wrong in reading, fitting or writing weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that can't be read.
    #[error("cannot read the weights {}: {}", path.display(), unreadable(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no safetensors file, or not the whole of one.
    #[error("the weights {file} are not a complete safetensors file: {}", malformed(source))]
    Malformed {
        /// The file.
        file: String,
        /// Why.
        source: SafeTensorError,
    },
    /// A safetensors file of too many tensors, or too long names.
    #[error("the header of {file} has {length} bytes, the limit is {limit}")]
    Header {
        /// The file.
        file: String,
        /// The header's bytes.
        length: u64,
        /// The most that are read.
        limit: u64,
    },
    /// A file of PyTorch's that cannot be read.
    #[error("the PyTorch file {file} cannot be read: {reason}")]
    Pickle {
        /// The file.
        file: String,
        /// Why, in one line.
        reason: String,
    },
    /// A file of a format that holds no weights, or not as they are read here.
    #[error("the weights {file} cannot be read: it is {what}")]
    OtherFormat {
        /// The file.
        file: String,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// A file with several state dicts of which nothing says which one to take.
    #[error(
        "{file} holds several sets of weights, under {}: `model.state_key` chooses one of them",
        listed(keys)
    )]
    SeveralStates {
        /// The file.
        file: String,
        /// The keys of each, with dots between.
        keys: Vec<String>,
    },
    /// A key that no weights stand under.
    #[error(
        "{file} has no weights under `{key}` (`model.state_key`); there are some under {}",
        listed(known)
    )]
    NoState {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// An index of a sharded checkpoint that is none, or that its files contradict.
    #[error("{file} is not a valid index of a sharded checkpoint: {reason}")]
    Index {
        /// The index.
        file: String,
        /// Why, in one line.
        reason: String,
    },
    /// A tensor with an infinity or a NaN.
    #[error(
        "the tensor `{tensor}` of {file} holds {value} at element {index}; all values must be \
         finite"
    )]
    NonFinite {
        /// Where the tensor is from.
        file: String,
        /// Its name.
        tensor: String,
        /// The position of the first such value, counted through the whole tensor.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A file whose metadata under the key `taper` is no JSON object.
    #[error("the metadata `taper` of {file} is not a JSON object: {source}")]
    Metadata {
        /// The file.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A file whose metadata has too many keys.
    #[error("the metadata of {file} has {found} keys, the limit is {limit}")]
    MetadataKeys {
        /// The file.
        file: String,
        /// The keys that it has.
        found: usize,
        /// The most that are read.
        limit: usize,
    },
    /// Two tensors of a file that get the same name in the net.
    #[error("the key map sends both `{first}` and `{second}` of {file} to `{name}`")]
    SameName {
        /// The file.
        file: String,
        /// The first tensor's name in the file.
        first: String,
        /// The second tensor's name in the file.
        second: String,
        /// The name in the net.
        name: String,
    },
    /// A file that says that it has Keras's layout, read as PyTorch's.
    #[error("{file} says that its layout is `{found}`: load it with that layout")]
    LayoutDiffers {
        /// The file.
        file: String,
        /// The layout in the file's metadata.
        found: String,
    },
    /// A file in Keras's layout where nobody says which dense layer follows a flatten.
    #[error(
        "{file} has convolutions and dense layers in Keras's layout, and nothing says which \
         dense layer follows a flatten, nor of what (channels, height, width): give `flatten`, \
         empty where there is none"
    )]
    FlattenUnknown {
        /// The file.
        file: String,
    },
    /// A dense kernel that can't be the one after the flatten that is given for it.
    #[error(
        "the tensor `{tensor}` of {file} has shape {shape:?}; after a flatten of {flattened} \
         values it must have as many rows"
    )]
    FlattenShape {
        /// The file.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// Its shape there.
        shape: Vec<usize>,
        /// The product of channels, height and width of the flatten.
        flattened: usize,
    },
    /// A flatten given for a dense layer that the file lacks.
    #[error("a flatten is given for `{name}`, and {file} has no such dense kernel")]
    FlattenOfNothing {
        /// The file.
        file: String,
        /// The name that the flatten was given for.
        name: String,
    },
    /// Weights that don't fit the net.
    #[error("{}", faults(report))]
    Faults {
        /// All faults, and what else became of the tensors.
        report: Box<LoadReport>,
    },
    /// Names, patterns or values that do not fit the parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A target of low-rank adapters that stands for no layer.
    #[error(
        "the target `{target}` stands for no dense layer or convolution of the net but the head; \
         its layers are like `{example}`"
    )]
    NoLayerMatches {
        /// The pattern.
        target: String,
        /// One of the layers that there are.
        example: String,
    },
    /// A pattern, given to allow something by, that stands for nothing.
    #[error(
        "the pattern `{pattern}` allows nothing: it matches no {what}; names there are like `{example}`"
    )]
    AllowsNothing {
        /// The pattern.
        pattern: String,
        /// What it should match.
        what: &'static str,
        /// A name that it could have matched.
        example: String,
    },
    /// A file of Keras's own.
    #[error(
        "{file} is a file of Keras's own format, which is not read: \
         `python tests/interop/export_keras.py MODEL.keras OUT.safetensors` makes one that is, with \
         the layout `keras` (of weights alone, load them into their model first and save that)"
    )]
    Keras {
        /// The file.
        file: String,
    },
    /// An adapter that cannot be used.
    #[error("the adapter {} cannot be used: {reason}", path.display())]
    Adapter {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A dtype that weights can't be saved as.
    #[error("weights can be saved as f32 or f16, not as {dtype:?}")]
    SaveDType {
        /// The dtype.
        dtype: candle_core::DType,
    },
    /// Metadata that can't be written as JSON.
    #[error("cannot write the metadata as JSON: {0}")]
    WriteMetadata(#[source] serde_json::Error),
    /// Tensors that can't be written as safetensors.
    #[error("cannot lay the weights out as safetensors: {0}")]
    Serialize(#[source] SafeTensorError),
    /// A file to write, under something that is a file itself.
    #[error("cannot write {}: {} is a file, not a folder", path.display(), parent.display())]
    ParentIsFile {
        /// The file to write.
        path: PathBuf,
        /// The one of its parents that is a file.
        parent: PathBuf,
    },
    /// A file that can't be written.
    #[error("cannot write {}: {}", path.display(), unwritable(path, source))]
    Write {
        /// The file to write.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An error of candle's, such as a device that is out of memory, or of the net's own.
    #[error("{}", crate::tensor_error::tensor_message(.0))]
    Candle(#[from] candle_core::Error),
}

fn unreadable(path: &std::path::Path, source: &io::Error) -> String {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        _ if path.is_dir() => "it is a folder; give the safetensors file in it".to_string(),
        Some(parent) if source.kind() == io::ErrorKind::NotFound && !parent.exists() => {
            format!("the folder {} does not exist", parent.display())
        }
        _ if source.kind() == io::ErrorKind::NotFound => "the file does not exist".to_string(),
        _ => source.to_string(),
    }
}

fn unwritable(path: &std::path::Path, source: &io::Error) -> String {
    if path.is_dir() {
        "it is a folder".to_string()
    } else if source.kind() == io::ErrorKind::NotFound {
        "its folder does not exist".to_string()
    } else {
        source.to_string()
    }
}

fn malformed(source: &SafeTensorError) -> String {
    match source {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            "it ends within its header; it may be cut short".to_string()
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            "its size and its header disagree; it may be cut short, or have bytes appended"
                .to_string()
        }
        SafeTensorError::HeaderTooLarge => {
            "it does not begin with the length of a header; it may be of another format".to_string()
        }
        other => other.to_string(),
    }
}

/// Faults beyond which their number and what to do stand at the end, too.
const LONG: usize = 12;

/// How many faults there are, and what may be done about them.
fn summary(report: &LoadReport) -> String {
    let LoadReport { missing, mismatched, unused, .. } = report;
    let (missing, mismatched, unused) = (missing.len(), mismatched.len(), unused.len());
    format!(
        "\n{} faults: {missing} missing, {mismatched} mismatched, {unused} unused; another net \
         (`model.net`), names to be changed (`model.renames`), or what may be allowed \
         (`model.allow_missing`, `model.allow_unused`)",
        missing + mismatched + unused
    )
}

/// Where all that lacks is one layer and all that is left another, it may be the same under two names, as
/// `fc` and `classifier` are.
fn renamed_layer(report: &LoadReport) -> Option<String> {
    let layer = |names: Vec<&str>| {
        let mut layers = names.iter().map(|name| name.rsplit_once('.').map(|(layer, _)| layer));
        let first = layers.next()??;
        layers.all(|layer| layer == Some(first)).then(|| first.to_string())
    };
    let names = |list: &[Entry]| layer(list.iter().map(|entry| entry.name.as_str()).collect());
    let (net, file) = match report.missing.is_empty() {
        // The head was drawn anew, for the file seemed to have none.
        true => {
            (layer(report.new_head.iter().map(String::as_str).collect()), names(&report.unused))
        }
        false => (names(&report.missing), names(&report.unused)),
    };
    let (net, file) = net.zip(file).filter(|_| report.mismatched.is_empty())?;
    Some(format!(
        "\nif the file's `{file}` is the net's `{net}`: `model.renames=[{{from=\"{file}.*\",\
         to=\"{net}.*\"}}]`; if not: `model.allow_unused=[\"{file}.*\"]`"
    ))
}

/// One line for one fault; for more a line that counts them, and a line each, or for those of a kind.
fn faults(report: &LoadReport) -> String {
    let source = report.source.as_deref().unwrap_or("the parameters");
    let notes: String = report.notes.iter().map(|note| format!("\n({note})")).collect();
    let notes = renamed_layer(report).unwrap_or_default() + &notes;
    let count = report.missing.len() + report.mismatched.len() + report.unused.len();
    match report.folded_faults().as_slice() {
        [fault] => format!("{source} does not fit the net: {fault}{notes}"),
        faults => {
            let lines: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
            // Of a long list the end is what is seen.
            let end = if count > LONG { summary(report) } else { String::new() };
            format!("{source} does not fit the net, {count} faults:{lines}{end}{notes}")
        }
    }
}

/// The names that are listed; of more there is a sign.
pub(super) const LISTED: usize = 12;

/// Names in backticks, with commas.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let shown = names.iter().take(LISTED).map(|name| format!("`{}`", name.as_ref()));
    let more = (names.len() > LISTED).then(|| "…".to_string());
    shown.chain(more).collect::<Vec<_>>().join(", ")
}
