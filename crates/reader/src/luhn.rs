//! The check digit of card numbers.

/// Whether the Luhn check of a number holds (ISO/IEC 7812-1, annex B): every second digit from the
/// right doubled, the sum of all digits divides by ten. Nothing where there is another letter than
/// digits and blanks, or less than two digits.
///
/// ```
/// assert_eq!(taper_reader::luhn("4539 1488 0343 6467"), Some(true));
/// assert_eq!(taper_reader::luhn("4539 1488 0343 6476"), Some(false));
/// assert_eq!(taper_reader::luhn("4539 14?8"), None);
/// ```
pub fn luhn(number: &str) -> Option<bool> {
    let letters = number.chars().filter(|letter| *letter != ' ');
    let digits: Vec<u32> = letters.map(|letter| letter.to_digit(10)).collect::<Option<_>>()?;
    if digits.len() < 2 {
        return None;
    }
    let share = |(place, &digit): (usize, &u32)| match place % 2 {
        0 => digit,
        _ => digit * 2 / 10 + digit * 2 % 10,
    };
    Some(digits.iter().rev().enumerate().map(share).sum::<u32>() % 10 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_digit_or_two_swapped_break_the_check() {
        assert_eq!(luhn("79927398713"), Some(true));
        for wrong in ["79927398714", "79927398173", "9927398713"] {
            assert_eq!(luhn(wrong), Some(false), "{wrong}");
        }
        assert_eq!(luhn("5"), None);
        assert_eq!(luhn(""), None);
    }
}
