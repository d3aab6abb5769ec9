use super::*;

fn image(height: usize, width: usize, pixels: &[u8]) -> Image {
    Image::new(height, width, 1, pixels.to_vec()).unwrap()
}

fn pipeline(height: usize, width: usize, placement: Placement) -> Pipeline {
    Pipeline { placement, filter: Filter::Area, ..Pipeline::plain(height, width, 1) }
}

#[test]
fn fitting_keeps_proportions_and_centres_on_black() {
    let placed = place(image(1, 2, &[7, 9]), &pipeline(4, 4, Placement::Fit)).unwrap();
    assert_eq!(placed.pixels, [0, 0, 0, 0, 7, 7, 9, 9, 7, 7, 9, 9, 0, 0, 0, 0]);
}

#[test]
fn cropping_takes_the_centre() {
    let row = image(2, 6, &[1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    let placed = place(row.clone(), &pipeline(2, 2, Placement::Crop(1.0))).unwrap();
    assert_eq!(placed.pixels, [3, 4, 3, 4]);
    // Half of the size is cut out of an image that covers twice the size: the one pixel (3) or (4)
    // of the middle, doubled.
    let placed = place(row, &pipeline(2, 2, Placement::Crop(0.5))).unwrap();
    assert_eq!(placed.pixels, [3, 4, 3, 4]);
}

#[test]
fn a_crop_must_be_a_share() {
    for crop in [0.0, 1.5, f64::NAN] {
        assert!(Placement::Crop(crop).check().is_err());
    }
    let error = Placement::Crop(1.5).check().unwrap_err().to_string();
    assert_eq!(error, "crop is 1.5, expected a number above 0, up to 1");
}

#[test]
fn a_digit_fills_its_box_and_its_mass_is_centred() {
    // A bar of 8x2 in one corner of 8x8: 20x5 in the middle of 28x28.
    let mut bar = Image::black(8, 8, 1);
    (0..8).for_each(|y| bar.pixels[y * 8..y * 8 + 2].fill(255));
    let placed = place_digit(&bar, 28, 28, Filter::Bilinear);
    for y in 0..28 {
        for x in 0..28 {
            // 5 columns cannot be centred in 28: 11 are left, 12 right of them or the reverse.
            let inside = (4..24).contains(&y) && (12..17).contains(&x);
            assert_eq!(placed.pixels[y * 28 + x], if inside { 255 } else { 0 }, "{y} {x}");
        }
    }
}

#[test]
fn a_lopsided_digit_never_leaves_the_field() {
    let mut corner = image(2, 40, &[1; 80]);
    corner.pixels[0] = 255;
    let placed = place_digit(&corner, 28, 28, Filter::Area);
    assert_eq!(placed.size(), [28, 28, 1]);
    assert!(placed.pixels.iter().filter(|&&value| value > 0).count() >= 20);
}

#[test]
fn a_black_image_stays_black() {
    assert_eq!(place_digit(&Image::black(8, 8, 1), 28, 28, Filter::Area), Image::black(28, 28, 1));
}

#[test]
fn an_image_of_the_size_is_taken_as_it_is() {
    let mut dot = Image::black(28, 28, 1);
    dot.pixels[0] = 9;
    for placement in [Placement::AsIs, Placement::Stretch, Placement::Fit, Placement::Digit] {
        let kept = place(dot.clone(), &pipeline(28, 28, placement)).unwrap();
        assert_eq!(kept, dot);
    }
}

#[test]
fn mnist_itself_follows_the_rule() {
    // Cut to its ink and placed anew, an MNIST digit must come back nearly where it was: its box is
    // 20 in height or width, and its centre of mass within a pixel of the centre.
    use crate::source::{Source, embedded::mnist_sample};
    let source = mnist_sample();
    for index in (0..source.len()).step_by(97) {
        let image = source.decode(index).unwrap();
        let ink = crop_to_ink(&image);
        assert_eq!(ink.height.max(ink.width), 20, "{}", source.item_name(index));
        let (y, x) = center_of_mass(&image);
        assert!((y - 14.0).abs() <= 1.0 && (x - 14.0).abs() <= 1.0, "{y} {x}");
    }
}
