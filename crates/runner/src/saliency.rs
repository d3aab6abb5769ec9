//! Where a net looked: the gradient of a class's logit by the pixels.

use candle_core::{DType, ModuleT, Tensor, Var};
use taper_model::nets::Net;

use crate::error::RunnerError;

/// How much each pixel of each image moves the logit of a class, smoothed, from 0 to 1: for each
/// image a plane of height by width.
///
/// The largest absolute derivative over the channels, blurred by a Gaussian of 1/28 of the longer
/// side, divided by the image's largest; all zeros where nothing moves it. The net is in evaluation
/// mode. After K. Simonyan, A. Vedaldi and A. Zisserman, "Deep Inside Convolutional Networks"
/// (2013), there without the blur.
///
/// # Shapes
/// `images` is (n, channels, height, width) as the net takes them, `classes` (n).
///
/// # Errors
/// Those of the net; a class that it does not have.
pub(crate) fn saliency(
    net: &Net,
    images: &Tensor,
    classes: &[u32],
) -> Result<Vec<Vec<f32>>, RunnerError> {
    let images = Var::from_tensor(&images.detach())?;
    let logits = net.forward_t(&images, false)?;
    let chosen = Tensor::from_slice(classes, (classes.len(), 1), logits.device())?;
    let sum = logits.gather(&chosen, 1)?.sum_all()?;
    let gradients = sum.backward()?;
    let (n, _, height, width) = images.dims4()?;
    let Some(gradient) = gradients.get(&images) else {
        return Ok(vec![vec![0.0; height * width]; n]);
    };
    let planes = gradient.to_dtype(DType::F32)?.abs()?.max(1)?.flatten_from(1)?.to_vec2::<f32>()?;
    let sigma = (height.max(width) as f32 / 28.0).max(0.5);
    Ok(planes.into_iter().map(|plane| normalized(blurred(&plane, height, width, sigma))).collect())
}

fn normalized(mut plane: Vec<f32>) -> Vec<f32> {
    let largest = plane.iter().copied().fold(0.0, f32::max);
    if largest > 0.0 && largest.is_finite() {
        plane.iter_mut().for_each(|value| *value /= largest);
    } else {
        plane.fill(0.0);
    }
    plane
}

/// A Gaussian blur, rows and then columns; what lies outside counts as 0.
fn blurred(plane: &[f32], height: usize, width: usize, sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as isize;
    let weight = |offset: isize| (-(offset * offset) as f32 / (2.0 * sigma * sigma)).exp();
    let weights: Vec<f32> = (-radius..=radius).map(weight).collect();
    let pass = |from: &[f32], count: usize, length: usize, next: usize, line: usize| {
        let mut to = vec![0.0; from.len()];
        for i in 0..count {
            for j in 0..length {
                let sum = weights.iter().zip(-radius..).map(|(weight, offset)| {
                    let at = j as isize + offset;
                    let inside = (0..length as isize).contains(&at);
                    if inside { weight * from[i * line + at as usize * next] } else { 0.0 }
                });
                to[i * line + j * next] = sum.sum();
            }
        }
        to
    };
    let rows = pass(plane, height, width, 1, width);
    pass(&rows, width, height, width, 1)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_blur_is_symmetric_and_highest_where_the_point_was() {
        let mut plane = vec![0.0; 35];
        plane[2 * 7 + 3] = 1.0;
        let blurred = blurred(&plane, 5, 7, 1.0);
        assert_eq!(blurred[2 * 7 + 3], 1.0);
        assert_eq!(blurred[2 * 7 + 2], blurred[2 * 7 + 4]);
        assert_eq!(blurred[7 + 3], blurred[3 * 7 + 3]);
        assert!((blurred[7 + 3] - (-0.5f32).exp()).abs() < 1e-6);
    }

    #[test]
    fn a_net_that_sees_one_pixel_looked_there() {
        // The logit of class 1 is the pixel at row 1, column 2 of the second channel.
        let net = Net::new(candle_nn::func(|images: &Tensor| {
            let pixel = images.flatten_from(1)?.narrow(1, 12 + 6, 1)?;
            Tensor::cat(&[&pixel.zeros_like()?, &pixel], 1)
        }));
        let images = Tensor::ones((2, 2, 3, 4), DType::F32, &Device::Cpu).unwrap();
        let planes = saliency(&net, &images, &[1, 0]).unwrap();
        let highest = planes[0].iter().position(|&value| value == 1.0).unwrap();
        assert_eq!(highest, 4 + 2);
        assert!(planes[1].iter().all(|&value| value == 0.0));
    }
}
