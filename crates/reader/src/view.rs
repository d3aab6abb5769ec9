//! The ways to look at a picture: the sheet from above, at a quarter turn, its ink dark or light.

use image::{DynamicImage, GrayImage, RgbImage, imageops};
use imageproc::geometric_transformations::Projection;
use taper_dataset::Image;

use crate::error::{ReadError, Result};
use crate::page::{LARGE, Page, Scale, WRITING, contrast};
use crate::settings::{CHARACTERS, Character as Guess};
use crate::sheet::{find_sheet, straightened};

/// A sheet is looked at with so many pixels at most.
const MOST_PIXELS: f32 = 3.0e6;

/// A smaller one is enlarged to so many rows and columns, together.
const FEWEST_PIXELS: f32 = 2.5e5;

/// Least rows and columns of a picture.
const LEAST_SIDE: usize = 12;

/// From such a share of characters with a neighbour beside them on, lines run across.
const ACROSS: f32 = 0.62;

/// With fewer characters, neighbours say nothing.
const FEW: usize = 3;

/// The most characters that a turn is told by.
const MOST_GLANCES: usize = 160;

/// How much better, in characters and in shares of all, another turn must be than the picture as it is.
const TURN_MARGIN: f32 = 0.4;
const TURN_SHARE: f32 = 0.2;

/// A line is looked for in a picture whose shorter side has so many pixels at most.
const LINE_SIDE: f32 = 120.0;

/// A line alone has characters at least so high, as a share of the picture, which have such a share of its
/// ink.
const LINE_HEIGHT: f32 = 0.2;
const LINE_SHARE: f32 = 0.6;

/// How many of its pieces look like characters, as a share.
const LINE_GOOD: f32 = 0.6;

/// A page in one of the ways to look at it.
pub(crate) struct View {
    pub page: Page,
    /// From the page to the picture.
    pub to_picture: Projection,
    /// By how many quarters to the right the picture has to be turned for the page to stand upright.
    pub turns: u8,
}

impl View {
    /// Where a place of the page is in the picture.
    pub fn place(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = self.to_picture * (x, y);
        [x, y]
    }

    pub fn size(&self) -> (f32, f32) {
        let (width, height) = self.page.ink.map.dimensions();
        (width as f32, height as f32)
    }

    /// The view turned by a quarter to the right.
    fn turned(&self) -> View {
        let page = self.page.turned();
        let width = page.ink.map.width() as f32;
        // A place (x, y) comes from (y, width - x).
        let back = Projection::from_matrix([0.0, 1.0, 0.0, -1.0, 0.0, width, 0.0, 0.0, 1.0])
            .expect("a turn can be undone");
        let to_picture = back.and_then(self.to_picture);
        View { page, to_picture, turns: (self.turns + 1) % 4 }
    }

    /// The windows of its characters, upright and on their heads, the largest characters first.
    fn glances(&self, most: usize) -> Vec<(Image, Image)> {
        let mut all: Vec<_> = self
            .page
            .lines
            .iter()
            .flat_map(|line| line.characters.iter().map(move |one| (one, line.slope)))
            .collect();
        all.sort_by(|a, b| b.0.height().total_cmp(&a.0.height()));
        // From large to small, every size.
        let step = (all.len() / most).max(1);
        let some = all.into_iter().step_by(step).take(most);
        some.map(|(one, slope)| {
            let window = self.page.window(one.middle(), one.word, slope);
            let turned = on_its_head(&window);
            (window, turned)
        })
        .collect()
    }
}

fn on_its_head(window: &Image) -> Image {
    Image { pixels: window.pixels.iter().rev().copied().collect(), ..window.clone() }
}

/// How likely a digit or a letter that stands upright is.
fn character_share(guess: &Guess) -> f32 {
    1.0 - guess[CHARACTERS - 1] - guess[CHARACTERS - 2]
}

/// A picture, and where in it the sheet lies.
pub(crate) struct Opened {
    /// The corners of the sheet, where it does not fill the picture.
    pub sheet: Option<[(f32, f32); 4]>,
    /// Dark and light ink.
    pub views: Vec<View>,
}

/// Finds the sheet of a picture, or takes all of it for one, and the ink on it.
pub(crate) fn open(picture: &Image, whole: bool) -> Result<Opened> {
    let (height, width) = (picture.height, picture.width);
    if height < LEAST_SIDE || width < LEAST_SIDE {
        return Err(ReadError::TooSmall { height, width });
    }
    let colour = match picture.channels {
        3 => RgbImage::from_raw(width as u32, height as u32, picture.pixels.clone()),
        _ => None,
    };
    let (grey, colour) = match colour {
        Some(colour) => (imageops::grayscale(&colour), colour),
        None => {
            let grey = picture
                .clone()
                .into_channels(1)
                .ok()
                .and_then(|grey| GrayImage::from_raw(width as u32, height as u32, grey.pixels));
            let grey = grey.unwrap_or_else(|| GrayImage::new(width as u32, height as u32));
            let colour = DynamicImage::from(grey.clone()).into_rgb8();
            (grey, colour)
        }
    };
    let sheet = if whole { None } else { find_sheet(&colour) };
    drop(colour);
    let seen = sheet.and_then(|corners| straightened(&grey, corners, MOST_PIXELS));
    let sheet = sheet.filter(|_| seen.is_some());
    let (seen, back) = seen.unwrap_or_else(|| {
        let zoom = (MOST_PIXELS / (width as f32 * height as f32)).sqrt().min(1.0);
        let side = |length: usize| ((length as f32 * zoom) as u32).max(1);
        let small = match zoom < 1.0 {
            true => imageops::thumbnail(&grey, side(width), side(height)),
            false => grey,
        };
        let scale = (width as f32 / small.width() as f32, height as f32 / small.height() as f32);
        (small, Projection::scale(scale.0, scale.1))
    });
    // Small writing is easier to take apart when it is enlarged.
    let pixels = seen.width() as f32 * seen.height() as f32;
    let zoom = (FEWEST_PIXELS / pixels).sqrt().clamp(1.0, 2.0);
    let (seen, back) = match zoom > 1.1 {
        true => {
            let side = |length: u32| (length as f32 * zoom) as u32;
            let large = imageops::resize(
                &seen,
                side(seen.width()),
                side(seen.height()),
                imageops::FilterType::CatmullRom,
            );
            (large, Projection::scale(1.0 / zoom, 1.0 / zoom).and_then(back))
        }
        false => (seen, back),
    };
    Ok(Opened { sheet, views: views_of(&seen, back, WRITING) })
}

/// Dark and light ink of a picture.
fn views_of(seen: &GrayImage, to_picture: Projection, scale: Scale) -> Vec<View> {
    let values = contrast(seen, scale);
    let size = seen.dimensions();
    let page = |dark: bool| Page::new(&values, size, if dark { 1.0 } else { -1.0 }, scale);
    let (dark, light) = std::thread::scope(|scope| {
        let light = scope.spawn(|| page(false));
        (page(true), light.join())
    });
    let light = light.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let view = |page| View { page, to_picture, turns: 0 };
    [dark, light].map(view).into()
}

/// Whether a picture shows one line that fills it, and by how many quarters to the right it has to be turned.
pub(crate) fn line_alone(
    picture: &Image,
    characters: &mut impl FnMut(Vec<Image>) -> Result<Vec<Guess>>,
) -> Result<Option<u8>> {
    let (height, width) = (picture.height as u32, picture.width as u32);
    if height.min(width) < LEAST_SIDE as u32 {
        return Ok(None);
    }
    let grey = picture.clone().into_channels(1).ok();
    let grey = grey.and_then(|grey| GrayImage::from_raw(width, height, grey.pixels));
    let Some(grey) = grey else { return Ok(None) };
    let zoom = (height.min(width) as f32 / LINE_SIDE)
        .max((height as f32 * width as f32 / MOST_PIXELS).sqrt())
        .max(1.0);
    let small = match zoom > 1.0 {
        true => {
            let side = |length: u32| ((length as f32 / zoom) as u32).max(1);
            imageops::thumbnail(&grey, side(width), side(height))
        }
        false => grey,
    };
    let views = views_of(&small, Projection::scale(zoom, zoom), LARGE);
    let least = LINE_HEIGHT * small.width().min(small.height()) as f32;
    // Of either tone the one that has more large characters.
    let most = |view: &View| {
        let (large, all) = view.page.areas(least);
        (large, large > LINE_SHARE * all)
    };
    let best = views.into_iter().max_by(|a, b| most(a).0.total_cmp(&most(b).0));
    let Some(best) = best.filter(|view| most(view).1) else { return Ok(None) };
    let views = upright(vec![best], characters)?;
    let Some(view) = views.first() else { return Ok(None) };
    // What looks like no character is a part of a picture, or of a table.
    let windows: Vec<Image> = view.glances(MOST_GLANCES).into_iter().map(|(up, _)| up).collect();
    let n = windows.len() as f32;
    if n == 0.0 {
        return Ok(None);
    }
    let good: f32 = characters(windows)?.iter().map(character_share).sum();
    if good < LINE_GOOD * n {
        return Ok(None);
    }
    // Upright, they are as high as the picture allows.
    let (_, high) = view.size();
    let (large, all) = view.page.areas(LINE_HEIGHT * high);
    Ok((large > LINE_SHARE * all).then_some(view.turns))
}

/// Turns views so that their characters stand upright; how many characters say so, and how many a view
/// has that look like any.
pub(crate) fn upright(
    views: Vec<View>,
    characters: &mut impl FnMut(Vec<Image>) -> Result<Vec<Guess>>,
) -> Result<Vec<View>> {
    let counts: Vec<(f32, usize)> = views.iter().map(|view| view.page.across()).collect();
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    let across: f32 =
        counts.iter().map(|(share, count)| share * *count as f32).sum::<f32>() / all.max(1) as f32;
    let wide = views.iter().max_by_key(|view| view.page.lines.len()).map_or(1.0, |v| v.page.wide());
    let ways = match () {
        () if all < FEW && wide > 1.3 => [true, false],
        () if all < FEW && wide < 0.77 => [false, true],
        () if all < FEW => [true, true],
        () if across > ACROSS => [true, false],
        () if across < 1.0 - ACROSS => [false, true],
        () => [true, true],
    };
    let mut tried: Vec<(f32, u8, Vec<View>)> = Vec::new();
    let mut views = Some(views);
    for (quarter, is_tried) in ways.into_iter().enumerate() {
        if !is_tried {
            continue;
        }
        let these = match quarter {
            0 if ways[1] => {
                let turned = views.as_ref().map(|views| views.iter().map(View::turned).collect());
                std::mem::replace(&mut views, turned)
            }
            0 => views.take(),
            _ if ways[0] => views.take(),
            _ => views.take().map(|views| views.iter().map(View::turned).collect()),
        };
        let Some(these) = these else { continue };
        let (mut up, mut down, mut all) = (0.0f32, 0.0f32, 0.0f32);
        for view in &these {
            let (windows, turned): (Vec<Image>, Vec<Image>) =
                view.glances(MOST_GLANCES).into_iter().unzip();
            let n = windows.len();
            if n == 0 {
                continue;
            }
            let guesses = characters(windows.into_iter().chain(turned).collect())?;
            let sum = |guesses: &[Guess]| guesses.iter().map(character_share).sum::<f32>();
            all += n as f32;
            up += sum(&guesses[..n]);
            down += sum(&guesses[n..]);
        }
        // As it is, unless another way is better.
        let first = if quarter == 0 { TURN_MARGIN + TURN_SHARE * all.min(16.0) } else { 0.0 };
        tried.push((up + first, 0, these));
        if let Some((_, _, these)) = tried.last().filter(|(up, ..)| down > *up) {
            let turned = these.iter().map(|view| view.turned().turned()).collect();
            tried.push((down, 2, turned));
        }
    }
    let best = tried.into_iter().reduce(|best, one| if one.0 > best.0 { one } else { best });
    Ok(best.map_or_else(Vec::new, |(_, _, views)| views))
}

/// A character as a classifier sees it, and where it is: what a classifier of characters is trained on.
#[derive(Debug, Clone)]
pub struct Glance {
    /// 28x28 pixels.
    pub window: Image,
    /// The same on its head.
    pub on_its_head: Image,
    /// The middle of the character in the picture.
    pub middle: [f32; 2],
    /// A place to the right of it, as the line runs, a height away.
    pub right: [f32; 2],
}

/// What the characters of a picture look like, whether or not they stand upright.
///
/// # Errors
/// The picture is too small.
pub fn glances(picture: &Image) -> Result<Vec<Glance>> {
    let opened = open(picture, false)?;
    let mut all = Vec::new();
    for view in opened.views {
        let (share, count) = view.page.across();
        let view = if count >= FEW && share < 0.5 { view.turned() } else { view };
        for line in &view.page.lines {
            for one in &line.characters {
                let middle_y = (one.top + one.bottom) / 2.0;
                let window = view.page.window(one.middle(), one.word, line.slope);
                let on_its_head = on_its_head(&window);
                let middle = view.place(one.middle(), middle_y);
                let right = view.place(one.middle() + one.height(), middle_y);
                all.push(Glance { window, on_its_head, middle, right });
            }
        }
    }
    Ok(all)
}
