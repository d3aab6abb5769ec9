//! What the layers of a net give out for an image: working memory, and how many images fit.

use candle_core::Device;
use taper_model::nets::Net;
use taper_model::params::Params;
use taper_model::summary::summarize;

/// Bytes that what layers give out may take when images are only answered.
const EVALUATION: u64 = 1 << 30;

/// Bytes of an element.
const F32: u64 = 4;

/// Images at once when they are only answered: `wanted`, or fewer of a net so large that they would
/// take more than a gibibyte. A function of the net and its input, not of the machine.
///
/// # Errors
/// Those of the net's forward pass on one image.
pub fn evaluation_batch(
    net: &Net,
    input: [usize; 3],
    wanted: usize,
    device: &Device,
) -> candle_core::Result<usize> {
    if wanted <= 1 {
        return Ok(wanted.max(1));
    }
    let each = F32 * layer_outputs(net, input, device)?.iter().sum::<u64>();
    let most = (EVALUATION / each.max(1)).max(1);
    Ok(wanted.min(usize::try_from(most).unwrap_or(usize::MAX)))
}

/// Elements that each layer gives out for one image, the image itself first.
///
/// # Errors
/// Those of the net's forward pass on one image.
pub fn layer_outputs(
    net: &Net,
    input: [usize; 3],
    device: &Device,
) -> candle_core::Result<Vec<u64>> {
    let summary = summarize(net, &Params::new(), &input, device)?;
    let image: usize = input.iter().product();
    let mut outputs = vec![image as u64];
    for row in &summary.rows {
        let Some(output) = &row.output else { continue };
        let elements: usize = output.iter().product();
        let elements = elements as u64;
        // Attention is told of by its result; queries, keys and values stay too.
        outputs.push(if row.kind == "Attention" { 4 * elements } else { elements });
    }
    Ok(outputs)
}
