//! What lies under the ink and above it: paper or card, light, noise.

use taper_dataset::Image;
use taper_dataset::random::Random;

use crate::layer::Layer;
use crate::settings::Parameters;

/// Dark ink on light paper.
pub(crate) fn on_paper(page: &Layer, parameters: &Parameters, random: &mut Random) -> Image {
    let paper = random.between(200.0, 250.0) as f32;
    let texture = texture(page, parameters.texture, &[2, 9], random);
    let contrast = parameters.contrast as f32;
    let values = page.ink.iter().zip(&texture).map(|(ink, texture)| {
        let under = paper + texture;
        under * (1.0 - contrast * ink)
    });
    finish(page, values.collect(), parameters, random)
}

/// Embossed digits on a card, dark on light or light on dark; their edges catch the light from the
/// upper left and cast a shadow to the lower right.
pub(crate) fn on_card(page: &Layer, parameters: &Parameters, random: &mut Random) -> Image {
    let contrast = parameters.contrast as f32;
    let light_digits = random.chance(0.5);
    let card = match light_digits {
        true => random.between(30.0, 90.0),
        false => random.between(170.0, 235.0),
    } as f32;
    let ink_tone = match light_digits {
        true => card + contrast * (255.0 - card),
        false => card * (1.0 - contrast),
    };
    let relief = random.between(0.15, 0.35) as f32 * (ink_tone - card).abs();
    // A card has a printed design under its digits: wide shapes, no grain.
    let texture = texture(page, parameters.texture, &[16, 40], random);
    let at = |x: isize, y: isize| {
        let inside = x >= 0 && y >= 0 && x < page.width as isize && y < page.height as isize;
        if inside { page.ink[y as usize * page.width + x as usize] } else { 0.0 }
    };
    let value = |place: usize| {
        let (x, y) = ((place % page.width) as isize, (place / page.width) as isize);
        let slope = at(x + 1, y + 1) - at(x - 1, y - 1);
        let under = card + texture[place];
        under + (ink_tone - under) * page.ink[place] + relief * slope
    };
    finish(page, (0..page.ink.len()).map(value).collect(), parameters, random)
}

/// Light from one end of the line to the other, noise, and bytes.
fn finish(page: &Layer, values: Vec<f32>, parameters: &Parameters, random: &mut Random) -> Image {
    // Across the line, up to 30 degrees from its direction.
    let angle = random.between(-30.0, 30.0).to_radians();
    let (dx, dy) =
        if random.chance(0.5) { (angle.cos(), angle.sin()) } else { (-angle.cos(), angle.sin()) };
    let half = (page.width as f64 / 2.0, page.height as f64 / 2.0);
    let reach = half.0 * dx.abs() + half.1 * dy.abs();
    let mut normals = Normals { random, left: None };
    let mut pixels = Vec::with_capacity(values.len());
    for (place, value) in values.into_iter().enumerate() {
        let x = (place % page.width) as f64 + 0.5 - half.0;
        let y = (place / page.width) as f64 + 0.5 - half.1;
        let share = 0.5 + 0.5 * (x * dx + y * dy) / reach;
        let lit = value * (1.0 - parameters.light * share) as f32;
        let noisy = lit + parameters.noise as f32 * normals.next();
        pixels.push(noisy.round().clamp(0.0, 255.0) as u8);
    }
    Image { height: page.height, width: page.width, channels: 1, pixels }
}

/// Smooth noise of an amplitude: of each grain's size in pixels one layer, all alike strong.
fn texture(page: &Layer, amplitude: f64, grains: &[usize], random: &mut Random) -> Vec<f32> {
    let mut sum = vec![0.0f32; page.ink.len()];
    let strength = (amplitude / (grains.len() as f64).sqrt()) as f32;
    for &grain in grains {
        let (rows, columns) = (page.height / grain + 2, page.width / grain + 2);
        let mut normals = Normals { random, left: None };
        let grid: Vec<f32> = (0..rows * columns).map(|_| normals.next()).collect();
        for (place, value) in sum.iter_mut().enumerate() {
            let (x, y) = (place % page.width, place / page.width);
            let (column, row) = (x / grain, y / grain);
            let fx = (x % grain) as f32 / grain as f32;
            let fy = (y % grain) as f32 / grain as f32;
            let upper =
                grid[row * columns + column] * (1.0 - fx) + grid[row * columns + column + 1] * fx;
            let lower = grid[(row + 1) * columns + column] * (1.0 - fx)
                + grid[(row + 1) * columns + column + 1] * fx;
            *value += strength * (upper * (1.0 - fy) + lower * fy);
        }
    }
    sum
}

/// Normal numbers, one after the other.
struct Normals<'a> {
    random: &'a mut Random,
    left: Option<f32>,
}

impl Normals<'_> {
    fn next(&mut self) -> f32 {
        self.left.take().unwrap_or_else(|| {
            let [one, other] = self.random.normals();
            self.left = Some(other);
            one
        })
    }
}
