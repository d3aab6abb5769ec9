//! The summary as text.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use super::{Summary, Totals};

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["layer", "type", "output", "trainable", "frozen", "buffers", "multiply-adds"];
        let mut lines = vec![header.map(str::to_owned)];
        for row in &self.rows {
            let output = row.output.as_deref().map_or_else(|| "?".to_owned(), shape);
            lines.push(line(&row.name, row.kind, output, &row.counts));
        }
        lines.push(line("total", "", String::new(), &self.total));

        let mut widths = [0; 7];
        for cells in &lines {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
        writeln!(f, "input {}", shape(&self.input))?;
        for (number, cells) in lines.iter().enumerate() {
            if number == 1 || number + 1 == lines.len() {
                writeln!(f, "{rule}")?;
            }
            let mut text = String::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                // Words to the left, numbers to the right.
                let padding = width - cell.width();
                text += &if column < 3 {
                    format!("{gap}{cell}{:padding$}", "")
                } else {
                    format!("{gap}{:padding$}{cell}", "")
                };
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn line(name: &str, kind: &str, output: String, counts: &Totals) -> [String; 7] {
    let numbers =
        [counts.trainable, counts.frozen, counts.buffers, counts.multiply_adds].map(grouped);
    let [trainable, frozen, buffers, multiply_adds] = numbers;
    [name.to_owned(), kind.to_owned(), output, trainable, frozen, buffers, multiply_adds]
}

fn shape(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

/// 1234567 as `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
