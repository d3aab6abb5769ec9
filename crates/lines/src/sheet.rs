//! What a scene shows: an envelope, a card, a form, a label, drawn from above.

use taper_dataset::random::Random;

use crate::address::{Address, draw, fill, name, pick};
use crate::canvas::{Canvas, Colour, Pen, Sides, around};
use crate::error::Result;
use crate::generator::check_digit;
use crate::hand::Hand;
use crate::print::Font;
use crate::settings::SceneKind;

/// A sheet and what stands on it.
pub(crate) struct Sheet {
    pub canvas: Canvas,
    /// The postcode or the card's number.
    pub text: String,
    /// Its ink.
    pub sides: Sides,
    /// How high its digits are, in pixels.
    pub digit_height: f64,
    /// Whether its digits are of a hand.
    pub by_hand: bool,
}

/// What sheets are written with.
pub(crate) struct Kit {
    pub fonts: Vec<Font>,
    pub hand_fonts: Vec<Font>,
    pub hand: Hand,
}

/// A grey or coloured tone.
fn tone(random: &mut Random, low: f64, high: f64, colourful: f64) -> Colour {
    let grey = random.between(low, high);
    std::array::from_fn(|_| (grey + random.between(-colourful, colourful)).clamp(0.0, 255.0) as f32)
}

/// Draws a sheet, `dots` pixels a millimetre.
pub(crate) fn sheet(kind: SceneKind, kit: &Kit, dots: f64, random: &mut Random) -> Result<Sheet> {
    match kind {
        SceneKind::Envelope => envelope(kit, dots, random),
        SceneKind::Card => card(kit, dots, random),
        SceneKind::Form => form(kit, dots, random),
        SceneKind::Label => label(kit, dots, random),
    }
}

fn blank(size: [f64; 2], dots: f64, colour: Colour) -> Canvas {
    Canvas::new((size[0] * dots) as usize, (size[1] * dots) as usize, colour)
}

/// Paper that is not all alike.
fn grain(canvas: &mut Canvas, random: &mut Random) {
    let strength = random.between(0.0, 3.0) as f32;
    for pixels in canvas.pixels.chunks_mut(2) {
        let normals = random.normals();
        for (pixel, normal) in pixels.iter_mut().zip(normals) {
            pixel.iter_mut().for_each(|value| *value += strength * normal);
        }
    }
}

fn pen<'a>(kit: &'a Kit, by_hand: bool, height: f64, random: &mut Random) -> Pen<'a> {
    let fonts = if by_hand { &kit.hand_fonts } else { &kit.fonts };
    let colour = match random.below(4) {
        0 => [random.between(10.0, 60.0) as f32, 30.0, random.between(90.0, 160.0) as f32],
        _ => tone(random, 5.0, 90.0, 10.0),
    };
    Pen {
        font: &fonts[random.below(fonts.len())],
        hand: by_hand.then_some(&kit.hand),
        height,
        colour,
        relief: 0.0,
        stray: if by_hand { 0.08 } else { 0.0 },
        spacing: if random.chance(0.2) { random.between(0.0, 0.12) * height } else { 0.0 },
    }
}

/// Writes an address; the ink of its postcode.
fn write_address(
    canvas: &mut Canvas,
    pen: &Pen<'_>,
    address: &Address,
    [x, y]: [f64; 2],
    random: &mut Random,
) -> Result<Sides> {
    let step = pen.height * random.between(1.6, 2.4);
    let mut code = [0.0; 4];
    for (number, line) in address.lines.iter().enumerate() {
        let place = [x, y + number as f64 * step];
        let (boxes, _) = canvas.write(pen, place, line, random)?;
        if number == address.code_line {
            let first = line.rfind(&address.code).unwrap_or(0);
            let first = line[..first].chars().count();
            code = around(&boxes[first..first + address.code.chars().count()]);
        }
    }
    Ok(code)
}

/// How wide the longest line of an address is, about.
fn width_of(address: &Address, pen: &Pen<'_>) -> f64 {
    let step = |letter: char| match pen.hand.is_some() && letter.is_ascii_digit() {
        true => 0.95 * pen.height,
        false => pen.font.letter(letter, pen.height).1 + pen.spacing,
    };
    let width = |line: &String| line.chars().map(step).sum::<f64>();
    address.lines.iter().map(width).fold(0.0, f64::max)
}

/// Bars, of which some reach further up or down where `post` says so.
fn barcode(
    canvas: &mut Canvas,
    [left, top, right, bottom]: Sides,
    post: bool,
    random: &mut Random,
) {
    let thin = ((bottom - top) / 12.0).clamp(1.2, 4.0);
    let mut x = left;
    while x < right {
        let wide = if post { thin } else { thin * (1 + random.below(3)) as f64 };
        let third = (bottom - top) / 3.0;
        let (up, down) = match post {
            true => (third * random.below(2) as f64, third * random.below(2) as f64),
            false => (0.0, 0.0),
        };
        canvas.rectangle([x, top + up, x + wide, bottom - down], [25.0; 3]);
        x += wide + if post { thin * 1.3 } else { thin * (1 + random.below(3)) as f64 };
    }
}

fn stamp(canvas: &mut Canvas, kit: &Kit, dots: f64, random: &mut Random) -> Result<()> {
    let (width, height) = (random.between(18.0, 34.0) * dots, random.between(20.0, 36.0) * dots);
    let right = canvas.width as f64 - random.between(4.0, 12.0) * dots;
    let top = random.between(4.0, 10.0) * dots;
    let left = right - width;
    let border = random.between(0.0, 2.0) * dots;
    canvas.rectangle([left, top, right, top + height], tone(random, 215.0, 255.0, 5.0));
    let inner = [left + border, top + border, right - border, top + height - border];
    canvas.rectangle(inner, tone(random, 50.0, 200.0, 60.0));
    for _ in 0..random.below(4) {
        let place = [random.between(left, right), random.between(top, top + height)];
        let radius = random.between(0.1, 0.3) * width;
        // Only within the stamp.
        let radius = radius.min(place[0] - left).min(right - place[0]);
        let radius = radius.min(place[1] - top).min(top + height - place[1]).max(0.0);
        canvas.disc(place, radius, tone(random, 30.0, 230.0, 70.0), 1.0);
    }
    if random.chance(0.7) {
        let mut pen = pen(kit, false, random.between(2.5, 5.0) * dots, random);
        pen.colour = if random.chance(0.5) { [245.0; 3] } else { [20.0; 3] };
        let value = (1 + random.below(320)).to_string();
        let place = [left + border + 1.5 * dots, top + border + pen.height + 1.5 * dots];
        canvas.write(&pen, place, &value, random)?;
    }
    if random.chance(0.6) {
        postmark(canvas, kit, dots, [left, top + height / 2.0], random)?;
    }
    Ok(())
}

fn postmark(
    canvas: &mut Canvas,
    kit: &Kit,
    dots: f64,
    [x, y]: [f64; 2],
    random: &mut Random,
) -> Result<()> {
    let share = random.between(0.4, 0.9);
    let centre = [x - random.between(0.0, 12.0) * dots, y + random.between(-4.0, 4.0) * dots];
    let radius = random.between(9.0, 13.0) * dots;
    let thick = random.between(0.3, 0.6) * dots;
    let colour = tone(random, 20.0, 70.0, 20.0);
    canvas.ring(centre, radius, thick, colour, share);
    if random.chance(0.5) {
        canvas.ring(centre, 0.65 * radius, thick, colour, share);
    }
    let mut pen = pen(kit, false, random.between(2.0, 3.0) * dots, random);
    pen.colour = colour;
    let date = fill("dd.dd.dd", random);
    canvas.write(
        &pen,
        [centre[0] - 2.4 * pen.height, centre[1] + 0.4 * pen.height],
        &date,
        random,
    )?;
    for wave in 0..random.below(7) {
        let base = centre[1] + (wave as f64 - 3.0) * 2.6 * dots;
        let (left, right) = (centre[0] - radius - 28.0 * dots, centre[0] - radius);
        let sides = [left, base - 2.0 * dots, right, base + 2.0 * dots];
        canvas.paint(sides, colour, |px, py| {
            let line = base + dots * (px / (2.2 * dots)).sin();
            share * (thick / 2.0 - (py - line).abs() + 0.5).clamp(0.0, 1.0)
        });
    }
    Ok(())
}

fn envelope(kit: &Kit, dots: f64, random: &mut Random) -> Result<Sheet> {
    let sizes = [[220.0, 110.0], [162.0, 114.0], [229.0, 162.0], [241.0, 105.0], [175.0, 125.0]];
    let size = sizes[random.below(sizes.len())];
    let paper: Colour = match random.below(5) {
        0 => [200.0, 170.0, 125.0].map(|value: f32| value + random.between(-15.0, 15.0) as f32),
        _ => tone(random, 205.0, 252.0, 6.0),
    };
    let mut canvas = blank(size, dots, paper);
    let by_hand = random.chance(0.4);
    let height = if by_hand { random.between(4.0, 8.0) } else { random.between(2.6, 4.6) } * dots;
    let to = draw(random);
    let mut writing = pen(kit, by_hand, height, random);
    let room = (canvas.width as f64, canvas.height as f64);
    let wide = width_of(&to, &writing);
    // A long line is written smaller.
    writing.height *= (0.62 * room.0 / wide).min(1.0);
    let wide = wide.min(0.62 * room.0);
    let high = to.lines.len() as f64 * 2.4 * writing.height;
    let x = random.between(0.3 * room.0, 0.45 * room.0).min(room.0 - wide - 5.0 * dots);
    let y = random.between(0.45 * room.1, 0.58 * room.1).min(room.1 - high - 8.0 * dots);
    let y = y.max(0.36 * room.1);
    let window = !by_hand && random.chance(0.25);
    if window {
        let pad = 6.0 * dots;
        let sides = [x - pad, y - 1.6 * writing.height - pad, x + wide + pad, y + high + 0.3 * pad];
        let under = tone(random, 225.0, 255.0, 3.0);
        canvas.rectangle(sides, under);
        if random.chance(0.6) {
            canvas.frame(sides, 0.5 * dots, tone(random, 120.0, 200.0, 5.0));
        }
    }
    let sender = draw(random);
    match random.below(4) {
        0 => {}
        // In one small line above the address.
        1 => {
            let mut small = pen(kit, false, 1.8 * dots, random);
            small.spacing = 0.0;
            let line = sender.lines.join(" · ").replace('·', "-");
            let place = [x, y - 2.0 * writing.height];
            canvas.write(&small, place, &line, random)?;
        }
        _ => {
            let by_hand = by_hand && random.chance(0.8);
            let height = if by_hand { random.between(3.0, 4.5) } else { random.between(2.0, 3.0) };
            let mut small = pen(kit, by_hand, height * dots, random);
            let place = [random.between(4.0, 14.0) * dots, random.between(6.0, 12.0) * dots];
            // Not into the stamp, nor into the address.
            small.height *= (0.45 * room.0 / width_of(&sender, &small)).min(1.0);
            let rows = sender.lines.len() as f64 * 2.4;
            small.height = small.height.min((y - 2.0 * writing.height - place[1]) / rows);
            if small.height > 1.2 * dots {
                write_address(&mut canvas, &small, &sender, place, random)?;
            }
        }
    }
    let sides = write_address(&mut canvas, &writing, &to, [x, y], random)?;
    if random.chance(0.85) {
        stamp(&mut canvas, kit, dots, random)?;
    }
    if random.chance(0.3) {
        let low = room.1 - 4.0 * dots;
        let post = random.chance(0.6);
        let left = random.between(0.1, 0.5) * room.0;
        let to = left + random.between(0.2, 0.45) * room.0;
        barcode(&mut canvas, [left, low - 4.0 * dots, to, low], post, random);
    }
    if random.chance(0.15) {
        let label = pick(random, &["PRIORITY", "PAR AVION", "Einschreiben", "R 12 345 678 9"]);
        let small = pen(kit, false, 3.0 * dots, random);
        let place = [6.0 * dots, 0.8 * room.1];
        let (boxes, _) = canvas.write(&small, place, label, random)?;
        let [a, b, c, d] = around(&boxes);
        let pad = 1.5 * dots;
        if c + pad < x {
            canvas.frame([a - pad, b - pad, c + pad, d + pad], 0.4 * dots, small.colour);
        }
    }
    grain(&mut canvas, random);
    Ok(Sheet { canvas, text: to.code, sides, digit_height: writing.height, by_hand })
}

/// A number of 16 or 15 digits that passes its check, in groups.
fn card_number(random: &mut Random) -> String {
    let (digits, groups): (usize, &[usize]) = match random.below(8) {
        0 => (15, &[4, 6, 5]),
        _ => (16, &[4, 4, 4, 4]),
    };
    let mut number: Vec<usize> = (0..digits).map(|_| random.below(10)).collect();
    number[0] = if digits == 15 { 3 } else { 2 + random.below(5) };
    number[digits - 1] = check_digit(&number[..digits - 1]);
    let mut text = String::new();
    let mut number = number.into_iter();
    for &group in groups {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(number.by_ref().take(group).map(|digit| char::from(b'0' + digit as u8)));
    }
    text
}

fn card(kit: &Kit, dots: f64, random: &mut Random) -> Result<Sheet> {
    let is_dark = random.chance(0.6);
    let ground =
        if is_dark { tone(random, 20.0, 95.0, 40.0) } else { tone(random, 150.0, 235.0, 25.0) };
    let mut canvas = blank([85.6, 54.0], dots, ground);
    let room = (canvas.width as f64, canvas.height as f64);
    // A printed design: wide shapes.
    for _ in 0..random.below(4) {
        let place = [random.between(0.0, room.0), random.between(0.0, room.1)];
        let near =
            ground.map(|value| (value + random.between(-28.0, 28.0) as f32).clamp(0.0, 255.0));
        canvas.disc(place, random.between(0.2, 0.8) * room.0, near, random.between(0.2, 0.9));
    }
    let embossed = random.chance(0.5);
    let mut writing = pen(kit, false, random.between(3.4, 4.6) * dots, random);
    let light = if is_dark { random.between(165.0, 250.0) } else { random.between(5.0, 75.0) };
    writing.colour = std::array::from_fn(|_| (light + random.between(-8.0, 8.0)) as f32);
    writing.relief = if embossed { random.between(15.0, 60.0) as f32 } else { 0.0 };
    writing.spacing = random.between(0.0, 0.2) * writing.height;
    let text = card_number(random);
    let spaced = if random.chance(0.5) { text.replace(' ', "  ") } else { text.clone() };
    let step = |letter: char| writing.font.letter(letter, writing.height).1 + writing.spacing;
    let wide: f64 = spaced.chars().map(step).sum();
    let shrink = (0.86 * room.0 / wide).min(1.0);
    writing.height *= shrink;
    writing.spacing *= shrink;
    let wide = wide * shrink;
    let x = random.between(5.0 * dots, (room.0 - wide - 4.0 * dots).max(5.1 * dots));
    let y = random.between(0.56, 0.68) * room.1;
    let (boxes, _) = canvas.write(&writing, [x, y], &spaced, random)?;
    let sides = around(&boxes);

    let mut small = pen(kit, false, random.between(2.0, 3.0) * dots, random);
    (small.colour, small.relief, small.spacing) = (writing.colour, writing.relief / 2.0, 0.0);
    let date = format!("{:02}/{:02}", 1 + random.below(12), 24 + random.below(9));
    let heading = pick(random, &["VALID THRU", "GOOD THRU", "EXPIRES END", "gültig bis"]);
    let row = y + random.between(8.0, 11.0) * dots;
    let mut place = [x + random.between(0.0, 0.4) * room.0, row];
    let mut tiny = pen(kit, false, random.between(1.1, 1.8) * dots, random);
    (tiny.colour, tiny.spacing) = (writing.colour, 0.0);
    let (_, end) = canvas.write(&tiny, place, heading, random)?;
    place[0] = end + 1.5 * dots;
    canvas.write(&small, place, &date, random)?;
    if random.chance(0.3) && x > 14.0 * dots {
        canvas.write(&tiny, [3.0 * dots, row], &fill("dddd", random), random)?;
    }
    let holder = name(random).to_uppercase();
    canvas.write(
        &small,
        [5.0 * dots, room.1 - random.between(3.0, 5.5) * dots],
        &holder,
        random,
    )?;
    let mut bank = pen(kit, false, random.between(3.0, 5.0) * dots, random);
    (bank.colour, bank.spacing) = (writing.colour, 0.0);
    let title =
        pick(random, &["FIRST BANK", "Sparkasse", "Banco Sol", "BOSS PAY", "Crédit Lille", "OLIO"]);
    canvas.write(&bank, [6.0 * dots, 9.0 * dots], title, random)?;
    if random.chance(0.85) {
        chip(&mut canvas, dots, random);
    }
    if random.chance(0.7) {
        let at = [room.0 - 12.0 * dots, room.1 - 8.0 * dots];
        let radius = random.between(3.5, 5.5) * dots;
        canvas.disc(at, radius, tone(random, 40.0, 220.0, 60.0), 0.9);
        canvas.disc([at[0] + radius, at[1]], radius, tone(random, 40.0, 220.0, 60.0), 0.7);
    }
    Ok(Sheet { canvas, text, sides, digit_height: writing.height, by_hand: false })
}

fn chip(canvas: &mut Canvas, dots: f64, random: &mut Random) {
    let (left, top) = (random.between(7.0, 11.0) * dots, random.between(15.0, 18.0) * dots);
    let sides = [left, top, left + 12.0 * dots, top + random.between(8.0, 9.5) * dots];
    let metal = [random.between(170.0, 220.0) as f32, random.between(150.0, 190.0) as f32, 120.0];
    canvas.rectangle(sides, metal);
    if random.chance(0.7) {
        let thick = 0.3 * dots;
        let dark = metal.map(|value| value * 0.55);
        canvas.frame(sides, thick, dark);
        for third in [1.0, 2.0] {
            let y = top + (sides[3] - top) * third / 3.0;
            canvas.rectangle([left, y, sides[2], y + thick], dark);
        }
        let x = (left + sides[2]) / 2.0;
        canvas.rectangle([x, top, x + thick, sides[3]], dark);
    }
    if random.chance(0.4) {
        let at = [sides[2] + 3.0 * dots, (top + sides[3]) / 2.0];
        let light = metal.map(|value| (value + 40.0).min(255.0));
        for ring in 1..4 {
            let radius = f64::from(ring) * 1.4 * dots;
            canvas.paint(
                [at[0], at[1] - 5.0 * dots, at[0] + 6.0 * dots, at[1] + 5.0 * dots],
                light,
                |x, y| {
                    let (x, y) = (x - at[0], y - at[1]);
                    let off = (x.hypot(y) - radius).abs();
                    if x > y.abs() { (0.25 * dots - off + 0.5).clamp(0.0, 1.0) } else { 0.0 }
                },
            );
        }
    }
}

fn form(kit: &Kit, dots: f64, random: &mut Random) -> Result<Sheet> {
    let mut canvas = blank(
        [random.between(120.0, 180.0), random.between(70.0, 110.0)],
        dots,
        tone(random, 220.0, 253.0, 6.0),
    );
    let room = (canvas.width as f64, canvas.height as f64);
    let by_hand = random.chance(0.6);
    let mut print = pen(kit, false, random.between(2.2, 3.2) * dots, random);
    print.spacing = 0.0;
    let height = if by_hand { random.between(4.0, 5.5) } else { random.between(2.8, 4.0) } * dots;
    let writing = pen(kit, by_hand, height, random);
    let title = pick(random, &["Application Form", "Antrag", "REGISTRATION", "Bestellung"]);
    canvas.write(&print, [8.0 * dots, 9.0 * dots], title, random)?;
    let to = draw(random);
    let code = random.below(4);
    let fields = ["Name", "Street", "ZIP", "City"];
    let german = ["Name", "Straße", "PLZ", "Ort"];
    let labels = if random.chance(0.5) { fields } else { german };
    let line = [0.4 * dots, 0.7 * dots][random.below(2)];
    let mut sides = [0.0; 4];
    let boxed = random.chance(0.5);
    for row in 0..4 {
        // The postcode may be in any row.
        let field = if row == code {
            2
        } else if row == 2 {
            code
        } else {
            row
        };
        let y = (22.0 + 14.0 * row as f64).min(room.1 / dots - 4.0) * dots;
        let (_, end) = canvas.write(&print, [8.0 * dots, y], labels[field], random)?;
        let left = end + 4.0 * dots;
        let value = match field {
            0 => to.lines[to.code_line.saturating_sub(2)].clone(),
            1 => to.lines[to.code_line - 1].clone(),
            2 => to.code.clone(),
            _ => pick(random, &["Bonn", "Oslo", "Lille", "SIBIU", "Bergen"]).to_string(),
        };
        let right = room.0 - 5.0 * dots;
        let grey = tone(random, 90.0, 170.0, 10.0);
        match boxed {
            true => {
                canvas.frame([left - 2.0 * dots, y - 8.5 * dots, right, y + 2.5 * dots], line, grey)
            }
            false => canvas.rectangle([left, y + 1.5 * dots, right, y + 1.5 * dots + line], grey),
        }
        let (boxes, _) = canvas.write(&writing, [left, y], &value, random)?;
        if field == 2 {
            sides = around(&boxes);
        }
    }
    grain(&mut canvas, random);
    Ok(Sheet { canvas, text: to.code, sides, digit_height: writing.height, by_hand })
}

fn label(kit: &Kit, dots: f64, random: &mut Random) -> Result<Sheet> {
    let mut canvas = blank(
        [random.between(90.0, 130.0), random.between(60.0, 90.0)],
        dots,
        tone(random, 225.0, 253.0, 6.0),
    );
    let room = (canvas.width as f64, canvas.height as f64);
    if random.chance(0.6) {
        let inset = 2.0 * dots;
        canvas.frame([inset, inset, room.0 - inset, room.1 - inset], 0.6 * dots, [40.0; 3]);
    }
    let to = draw(random);
    let mut writing = pen(kit, false, random.between(2.8, 4.2) * dots, random);
    writing.height *= (0.85 * room.0 / width_of(&to, &writing)).min(1.0);
    let small = pen(kit, false, 2.2 * dots, random);
    let carrier = pick(random, &["EXPRESS", "PAKET", "PARCEL 24", "Colis"]);
    canvas.write(&small, [6.0 * dots, 8.0 * dots], carrier, random)?;
    let sides = write_address(&mut canvas, &writing, &to, [6.0 * dots, 17.0 * dots], random)?;
    let low = room.1 - 9.0 * dots;
    let lines = to.lines.len() as f64;
    if 17.0 * dots + lines * 2.4 * writing.height < low - 12.0 * dots {
        barcode(&mut canvas, [8.0 * dots, low - 10.0 * dots, 0.8 * room.0, low], false, random);
        let tracking = fill("AA ddddddddd AA", random);
        canvas.write(&small, [10.0 * dots, low + 4.0 * dots], &tracking, random)?;
    }
    grain(&mut canvas, random);
    Ok(Sheet { canvas, text: to.code, sides, digit_height: writing.height, by_hand: false })
}
