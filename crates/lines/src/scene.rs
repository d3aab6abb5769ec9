//! From a seed and a number to a scene: an envelope, a card, a form or a label.

use imageproc::geometric_transformations::Projection;
use serde::{Deserialize, Serialize};
use taper_dataset::Image;
use taper_dataset::random::{Purpose, Random};

use crate::error::Result;
use crate::hand::Hand;
use crate::photo::{Photo, corners, take};
use crate::print::Font;
use crate::settings::{Part, SceneKind};
use crate::sheet::{Kit, Sheet, sheet};

/// How a scene is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// From above and without a table, as a scanner sees it.
    Plain,
    /// On a table, from an angle, as a JPEG file.
    Photo,
}

/// What a set of scenes is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneSettings {
    /// What they show.
    pub kind: SceneKind,
    /// How they are seen.
    pub view: View,
    /// Whose hand, which fonts.
    pub part: Part,
    /// Seed of everything.
    pub seed: u64,
}

/// Makes scenes, each a pure function of the settings and its number.
pub struct SceneGenerator {
    /// What the scenes are made of.
    pub settings: SceneSettings,
    kit: Kit,
}

/// A picture of a scene, and the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The picture, in colour.
    pub picture: Image,
    /// A photograph's file.
    pub jpeg: Option<Vec<u8>>,
    /// Every letter and the corners of its ink, the upper left as it is read first.
    pub letters: Vec<(char, [[f32; 2]; 4])>,
    /// What is known of it.
    pub truth: SceneTruth,
}

/// What is known of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneTruth {
    /// The postcode or the card's number.
    pub text: String,
    /// What it looks like: a `d` for each digit.
    pub pattern: String,
    /// The corners of its ink, the upper left as it is read first.
    pub corners: [[f32; 2]; 4],
    /// The corners of the sheet.
    pub sheet: [[f32; 2]; 4],
    /// By how many quarters the sheet is turned to the right.
    pub quarters: u8,
    /// How many pixels high the digits are.
    pub digit_height: f64,
    /// Dots an inch.
    pub dpi: f64,
    /// Whether the digits are handwritten.
    pub by_hand: bool,
    /// How a photograph strays.
    pub photo: Option<Photo>,
}

impl SceneGenerator {
    /// A generator that takes handwritten digits from a data set, by path or name.
    ///
    /// # Errors
    /// Digits that cannot be read, or lack a class or the part.
    pub fn new(settings: SceneSettings, digits: &str) -> Result<Self> {
        let part = settings.part;
        let hand = Hand::open(digits, part)?;
        let kit = Kit { fonts: Font::all(part), hand_fonts: Font::hands(part), hand };
        Ok(Self { settings, kit })
    }

    /// The scene of a number.
    ///
    /// # Errors
    /// A digit's image cannot be read.
    pub fn scene(&self, index: u64) -> Result<Scene> {
        let SceneSettings { kind, view, seed, .. } = self.settings;
        let set = 1 << 16 | (kind as u64) << 8 | view as u64;
        let random = |lane: u8| Random::new(seed, Purpose::Lines, set, index).lane(lane);
        let mut how = random(0);
        let dpi = match how.below(4) {
            0 => how.between(90.0, 140.0),
            1 => how.between(220.0, 300.0),
            _ => how.between(130.0, 230.0),
        };
        let quarters = if how.chance(0.3) { 1 + how.below(3) as u8 } else { 0 };
        let sheet = sheet(kind, &self.kit, dpi / 25.4, &mut random(1))?;
        let Sheet { canvas, text, sides, digit_height, by_hand } = sheet;
        let whole = [0.0, 0.0, canvas.width as f64, canvas.height as f64];
        let photo = match view {
            View::Plain => None,
            View::Photo => Some(Photo::draw(digit_height, &mut how)),
        };
        let (picture, jpeg, onto) = match &photo {
            None => {
                let picture = canvas.to_image();
                let onto = turn(picture.width, picture.height, quarters);
                (picture.turned(quarters), None, onto)
            }
            Some(photo) => {
                let taken = take(&canvas, photo, quarters, &mut random(2));
                (taken.picture, Some(taken.jpeg), taken.onto)
            }
        };
        let letters = canvas.written.iter();
        let letters = letters.map(|(letter, sides)| (*letter, corners(&onto, *sides))).collect();
        let pattern = text.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
        let (corners, sheet) = (corners(&onto, sides), corners(&onto, whole));
        let truth = SceneTruth {
            text,
            pattern,
            corners,
            sheet,
            quarters,
            digit_height,
            dpi,
            by_hand,
            photo,
        };
        Ok(Scene { picture, jpeg, letters, truth })
    }
}

/// Where the places of a picture of this width and height come to lie when it is turned by quarters to the right.
fn turn(width: usize, height: usize, quarters: u8) -> Projection {
    let (w, h) = (width as f32, height as f32);
    let matrix = match quarters {
        1 => [0.0, -1.0, h, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        2 => [-1.0, 0.0, w, 0.0, -1.0, h, 0.0, 0.0, 1.0],
        3 => [0.0, 1.0, 0.0, -1.0, 0.0, w, 0.0, 0.0, 1.0],
        _ => [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    };
    Projection::from_matrix(matrix).expect("a turn can be undone")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [SceneKind; 4] =
        [SceneKind::Envelope, SceneKind::Card, SceneKind::Form, SceneKind::Label];

    fn generator(kind: SceneKind, view: View) -> SceneGenerator {
        let settings = SceneSettings { kind, view, part: Part::Training, seed: 3 };
        SceneGenerator::new(settings, "mnist-sample").unwrap()
    }

    #[test]
    fn a_scene_is_a_function_of_seed_and_number() {
        for kind in KINDS {
            for view in [View::Plain, View::Photo] {
                let one = generator(kind, view);
                let scene = one.scene(4).unwrap();
                assert_eq!(scene, generator(kind, view).scene(4).unwrap());
                assert_ne!(scene.picture, one.scene(5).unwrap().picture);
                assert_eq!(scene.jpeg.is_some(), view == View::Photo);
            }
        }
    }

    #[test]
    fn what_is_to_be_read_lies_within_its_corners_on_the_sheet_and_in_the_picture() {
        for kind in KINDS {
            for view in [View::Plain, View::Photo] {
                let generator = generator(kind, view);
                for index in 0..6 {
                    let Scene { picture, truth, .. } = generator.scene(index).unwrap();
                    let digits = truth.text.bytes().filter(u8::is_ascii_digit).count();
                    assert_eq!(truth.pattern.matches('d').count(), digits);
                    for [x, y] in truth.corners {
                        let inside = x >= 0.0
                            && y >= 0.0
                            && x <= picture.width as f32
                            && y <= picture.height as f32;
                        assert!(inside, "{kind:?} {view:?} {index}: {x} {y}");
                    }
                    // As wide as its digits are, and about as high.
                    let [a, b, _, d] = truth.corners;
                    let length = |p: [f32; 2], q: [f32; 2]| (p[0] - q[0]).hypot(p[1] - q[1]);
                    let (wide, high) = (length(a, b), length(a, d));
                    let height = truth.digit_height as f32;
                    assert!(
                        (0.6..2.2).contains(&(high / height)),
                        "{kind:?} {index}: {high} {height}"
                    );
                    let each = wide / height / digits as f32;
                    assert!((0.35..2.0).contains(&each), "{kind:?} {view:?} {index}: {each}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_a_card_passes_its_check_and_a_quarter_of_the_scenes_is_turned() {
        let generator = generator(SceneKind::Card, View::Plain);
        let mut turned = 0;
        for index in 0..40 {
            let truth = generator.scene(index).unwrap().truth;
            let digits = truth.text.chars().filter_map(|digit| digit.to_digit(10));
            let digits: Vec<usize> = digits.map(|digit| digit as usize).collect();
            let last = digits.len() - 1;
            assert_eq!(crate::generator::check_digit(&digits[..last]), digits[last]);
            turned += usize::from(truth.quarters > 0);
        }
        assert!((5..25).contains(&turned), "{turned}");
    }
}
