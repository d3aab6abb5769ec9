//! A tensor of a file, or a parameter of another net, made to fit what the net asks for.

use candle_core::{Result, Tensor, Var};

use super::answer::{Answer, Request, Value};
use super::config::{HeadClasses, WeightsConfig};
use super::layout::Mapped;
use super::tensor_file::{FileTensor, first_non_finite, widened};
use crate::pattern::is_under;

/// The same variable, or a converted copy where dtype or device differ.
pub(super) fn from_param(var: &Var, request: &Request<'_>) -> Result<Answer> {
    if var.shape() != &request.shape {
        let note = format!("the parameter has {:?}", var.dims());
        return Ok(Answer::new(Value::Mismatched, note));
    }
    if var.dtype() == request.dtype && var.device().same_device(request.device) {
        return Ok(Answer::new(Value::Loaded(var.clone()), ""));
    }
    let copy = var.as_detached_tensor().to_device(request.device)?.to_dtype(request.dtype)?;
    Ok(Answer::new(Value::Loaded(Var::from_tensor(&copy)?), "copied"))
}

/// The file's tensor, or what is made of it.
pub(super) fn from_file(
    found: &Mapped,
    request: &Request<'_>,
    config: &WeightsConfig,
) -> Result<Answer> {
    let tensor = match &found.tensor {
        FileTensor::Float(tensor) => tensor,
        FileTensor::Other { dtype, shape } => {
            let note = format!("the file has {shape:?} of type {dtype}, which is not a float type");
            return Ok(Answer::new(Value::Mismatched, note));
        }
    };
    let (wanted, dims) = (request.shape.dims(), tensor.dims());
    if wanted != dims && same_but_ones(wanted, dims) {
        let note = format!("{dims:?} taken as {wanted:?}");
        let tensor = FileTensor::Float(tensor.reshape(wanted)?);
        return from_file(&Mapped { tensor, note, ..found.clone() }, request, config);
    }
    let is_head = is_under(&config.head, request.name);
    let positions = config.positions.as_ref().filter(|p| p.name == request.name);
    // As many patches may still be another grid.
    let grid = positions.and_then(|positions| positions.grid_of(dims));
    let other_grid = positions.zip(grid).filter(|(p, grid)| *grid != (p.height, p.width));
    if wanted == dims && other_grid.is_none() {
        return match (&config.classes, wanted.first()) {
            (HeadClasses::Others(which), _) if is_head => Ok(head_replaced(which)),
            (HeadClasses::Reordered(rows), Some(classes)) if is_head && rows.len() == *classes => {
                let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
                let rows = Tensor::new(rows, tensor.device())?;
                let note = "head: its rows in the order of the data's classes".to_string();
                convert(&tensor.index_select(&rows, 0)?, request, Value::Adapted, note)
            }
            _ => convert(tensor, request, Value::Loaded, found.note.clone()),
        };
    }
    let differs = format!("the file has {dims:?}");
    let keras = match *dims {
        [input, out] => wanted == [out, input],
        [h, w, input, out] => wanted == [out, input, h, w],
        _ => false,
    };
    if is_head && !keras && wanted.len() == dims.len() {
        return Ok(head_replaced(&differs));
    }
    if is_under(&config.stem, request.name)
        && let Some((adapted, note)) = other_channels(tensor, wanted)?
    {
        return convert(&adapted, request, Value::Adapted, note);
    }
    if let Some((positions, (rows, columns))) = other_grid {
        let resampled = positions.resample(&widened(tensor)?, (rows, columns))?;
        if resampled.dims() == wanted {
            let (height, width) = (positions.height, positions.width);
            let note = format!("positions: {rows}x{columns} patches resampled to {height}x{width}");
            return convert(&resampled, request, Value::Adapted, note);
        }
    }
    let hint =
        if keras { "; that is Keras's order of dimensions, try the layout `keras`" } else { "" };
    Ok(Answer::new(Value::Mismatched, differs + hint))
}

/// Whether shapes differ in ones alone: a dense layer and a 1x1 convolution, a vector and one that is
/// ready to be broadcast.
pub(super) fn same_but_ones(a: &[usize], b: &[usize]) -> bool {
    let more = |dims: &[usize]| dims.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    more(a) == more(b)
}

fn head_replaced(why: &str) -> Answer {
    Answer::new(Value::InitializeHead, format!("head replaced: {why}"))
}

/// A stem's kernel for images of another number of channels, and a note on it; `None` where more
/// than the channels differs.
fn other_channels(kernel: &Tensor, wanted: &[usize]) -> Result<Option<(Tensor, String)>> {
    let (&[o, n, h, w], &[fo, channels, fh, fw]) = (wanted, kernel.dims()) else {
        return Ok(None);
    };
    if [o, h, w] != [fo, fh, fw] {
        return Ok(None);
    }
    if n == 1 {
        let note = format!("stem: {channels} input channels summed to 1");
        return Ok(Some((widened(kernel)?.sum_keepdim(1)?, note)));
    }
    if channels == 0 {
        return Ok(None);
    }
    // As timm's `adapt_input_conv` does, which knows of 3 channels alone.
    let scaled = (widened(kernel)? * (channels as f64 / n as f64))?;
    let repeated = scaled.repeat((1, n.div_ceil(channels), 1, 1))?;
    let plural = if channels == 1 { "" } else { "s" };
    let note = format!("stem: {channels} input channel{plural} shared out to {n}");
    Ok(Some((repeated.narrow(1, 0, n)?.contiguous()?, note)))
}

/// The file's tensor as a variable of the wanted dtype, which may be too small for it.
fn convert(
    tensor: &Tensor,
    request: &Request<'_>,
    value: fn(Var) -> Value,
    mut note: String,
) -> Result<Answer> {
    let converted = tensor.to_dtype(request.dtype)?;
    if tensor.dtype() != request.dtype {
        if let Some((index, _)) = first_non_finite(&converted)? {
            let (dtype, wanted) = (tensor.dtype().as_str(), request.dtype.as_str());
            let note = format!("element {index} of the file's {dtype} is too large for {wanted}");
            return Ok(Answer::new(Value::Mismatched, note));
        }
        if !note.is_empty() {
            note.push_str(", ");
        }
        note += &format!("{} to {}", tensor.dtype().as_str(), request.dtype.as_str());
    }
    // A variable has storage of its own: training must not change the file's tensors.
    let converted = converted.to_device(request.device)?;
    Ok(Answer::new(value(Var::from_tensor(&converted)?), note))
}
