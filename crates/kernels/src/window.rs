//! Windows over images: how many there are, and how to gather them with candle's operations.

use candle_core::{Device, Result, Tensor, bail};

/// Number of window positions along one axis with zeros before and after it, or an error that says why there is none.
pub(crate) fn positions(
    op: &str,
    axis: &str,
    len: usize,
    kernel: usize,
    stride: usize,
    padding: [usize; 2],
    dilation: usize,
) -> Result<usize> {
    if kernel == 0 || stride == 0 || dilation == 0 {
        bail!(
            "{op}: kernel, stride and dilation must be at least 1, found {kernel}, {stride} and \
             {dilation} along the {axis}"
        )
    }
    if len == 0 {
        bail!("{op}: expected images with pixels, found a {axis} of 0")
    }
    let span = (kernel - 1).checked_mul(dilation).and_then(|s| s.checked_add(1));
    let padded = padding.iter().try_fold(len, |sum, &side| sum.checked_add(side));
    match (span, padded) {
        (Some(span), Some(padded)) if span <= padded => Ok((padded - span) / stride + 1),
        _ => bail!(
            "{op}: the kernel covers {kernel} taps at dilation {dilation}, more than the {axis} of \
             {len} with a padding of {} before and {} after",
            padding[0],
            padding[1]
        ),
    }
}

/// An error where a tensor of these dimensions, or the padded images that it is made from, would be larger than any
/// memory: sizes that kernels compute from it must not overflow.
pub(crate) fn check_size(op: &str, what: &str, dims: [usize; 4]) -> Result<()> {
    const MOST: usize = 1 << 40;
    let numbers = dims.iter().try_fold(1usize, |numbers, dim| numbers.checked_mul(*dim));
    match numbers {
        Some(numbers) if numbers <= MOST => Ok(()),
        _ => bail!("{op}: {what} of shape {dims:?} would be larger than any memory"),
    }
}

/// The positions `out` whose tap at `offset` (in the padded image) falls inside an axis of `len`:
/// `padding <= out * stride + offset < padding + len`.
pub(crate) fn inside(
    offset: usize,
    len: usize,
    stride: usize,
    padding: usize,
    out: usize,
) -> std::ops::Range<usize> {
    let low = padding.saturating_sub(offset).div_ceil(stride).min(out);
    let high = (padding + len).saturating_sub(offset).div_ceil(stride).min(out);
    low..high.max(low)
}

/// Adds rows and columns of `value` to the last two dimensions, `before` and `after` the others.
pub(crate) fn pad(
    x: &Tensor,
    before: (usize, usize),
    after: (usize, usize),
    value: f64,
) -> Result<Tensor> {
    let mut x = x.clone();
    for (dim, before, after) in [(2, before.0, after.0), (3, before.1, after.1)] {
        if before + after > 0 {
            let side = |amount| {
                let mut dims = x.dims().to_vec();
                dims[dim] = amount;
                Tensor::full(value as f32, dims, x.device())?.to_dtype(x.dtype())
            };
            x = Tensor::cat(&[&side(before)?, &x, &side(after)?], dim)?;
        }
    }
    Ok(x)
}

/// Adds so many zeros before and after along one dimension; takes away what is negative.
pub(crate) fn extend(x: &Tensor, dim: usize, before: isize, after: isize) -> Result<Tensor> {
    let (first, last) = (before.min(0).unsigned_abs(), after.min(0).unsigned_abs());
    let x = x.narrow(dim, first, x.dim(dim)? - first - last)?;
    x.pad_with_zeros(dim, before.max(0).unsigned_abs(), after.max(0).unsigned_abs())
}

fn taps(kernel: usize, stride: usize, dilation: usize, out: usize, d: &Device) -> Result<Tensor> {
    let indices =
        (0..kernel).flat_map(|k| (0..out).map(move |o| (o * stride + k * dilation) as u32));
    Tensor::from_iter(indices, d)
}

/// All windows of padded images: (n, c, h, w) becomes (n, c, kh * kw, oh, ow).
pub(crate) fn unfold(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    out: (usize, usize),
) -> Result<Tensor> {
    let (n, c, _, _) = x.dims4()?;
    let windows = if kernel == stride && dilation == (1, 1) {
        // Windows that lie side by side are there already.
        x.narrow(2, 0, out.0 * kernel.0)?
            .narrow(3, 0, out.1 * kernel.1)?
            .reshape(&[n, c, out.0, kernel.0, out.1, kernel.1])?
            .permute([0, 1, 3, 5, 2, 4])?
    } else {
        x.contiguous()?
            .index_select(&taps(kernel.0, stride.0, dilation.0, out.0, x.device())?, 2)?
            .index_select(&taps(kernel.1, stride.1, dilation.1, out.1, x.device())?, 3)?
            .reshape(&[n, c, kernel.0, out.0, kernel.1, out.1])?
            .permute([0, 1, 2, 4, 3, 5])?
    };
    windows.contiguous()?.reshape((n, c, kernel.0 * kernel.1, out.0, out.1))
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn positions_inside_are_those_that_a_search_finds() {
        for len in 1..6 {
            for (stride, padding, offset) in
                (1..4).flat_map(|s| (0..3).flat_map(move |p| (0..5).map(move |o| (s, p, o))))
            {
                let out = (len + 2 * padding) / stride + 1;
                let found: Vec<_> = (0..out)
                    .filter(|o| (padding..padding + len).contains(&(o * stride + offset)))
                    .collect();
                let range: Vec<_> = inside(offset, len, stride, padding, out).collect();
                assert_eq!(range, found, "{len} {stride} {padding} {offset}");
            }
        }
    }
}
