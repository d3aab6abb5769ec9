//! From bytes to the numbers a net takes: `(value / 255 - mean) / std`, per channel.

use crate::image::Image;

/// The result for each of the 256 bytes, for each channel; one number stands for all channels.
pub(crate) fn tables(mean: &[f64], std: &[f64], channels: usize) -> Vec<[f32; 256]> {
    let of = |numbers: &[f64], channel: usize| numbers[channel.min(numbers.len() - 1)] as f32;
    let table = |channel| {
        let (mean, std) = (of(mean, channel), of(std, channel));
        // In f32 and in this order, as torchvision does.
        std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
    };
    (0..channels).map(table).collect()
}

/// Writes an image as (channel, height, width) through one table per channel.
pub(crate) fn write(image: &Image, tables: &[[f32; 256]], out: &mut [f32]) {
    let area = image.height * image.width;
    for (channel, (table, plane)) in tables.iter().zip(out.chunks_exact_mut(area)).enumerate() {
        let values = image.pixels[channel..].iter().step_by(image.channels);
        for (out, &value) in plane.iter_mut().zip(values) {
            *out = table[usize::from(value)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_0_and_deviation_1_divide_by_255() {
        let table = tables(&[0.0], &[1.0], 1)[0];
        for value in 0..=255u8 {
            assert_eq!(table[usize::from(value)], f32::from(value) / 255.0);
        }
    }

    #[test]
    fn channels_are_written_one_after_the_other() {
        let image = Image::new(1, 2, 3, vec![0, 51, 255, 255, 0, 0]).unwrap();
        let mut out = [0.0; 6];
        write(&image, &tables(&[0.0, 0.2, 0.5], &[1.0, 1.0, 0.5], 3), &mut out);
        assert_eq!(out, [0.0, 1.0, 0.0, -0.2, 1.0, -1.0]);
    }
}
