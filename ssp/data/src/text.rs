//! Text that people typed or spreadsheets wrote: its encoding, and the numbers in it.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A file's text, whatever its encoding: as its byte order mark says, or else UTF-16 if it has zero
/// bytes, UTF-8 if it is valid, and Windows-1252 (which includes Latin-1) if not. The mark is removed.
pub(super) fn decode(bytes: &[u8]) -> String {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        // Text in Latin letters has a zero in every second byte of UTF-16, and in no other encoding.
        None => match bytes.iter().position(|&byte| byte == 0) {
            Some(at) if at % 2 == 0 => UTF_16BE,
            Some(_) => UTF_16LE,
            None if std::str::from_utf8(bytes).is_ok() => UTF_8,
            None => WINDOWS_1252,
        },
    };
    encoding.decode(bytes).0.into_owned()
}

/// A whole number as spreadsheets and people write it: `1`, `01`, `1.0` or `1,0`.
pub(super) fn whole_number(text: &str) -> Option<usize> {
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.trim().split_once(['.', ',']).unwrap_or((text.trim(), ""));
    let is_whole = is_number(whole) && fraction.bytes().all(|byte| byte == b'0');
    is_whole.then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_is_understood() {
        let utf_16 = |mark: &[u16], order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            mark.iter().copied().chain("Gruppe: ä".encode_utf16()).flat_map(order).collect()
        };
        for bytes in [
            "Gruppe: ä".as_bytes().to_vec(),
            "\u{feff}Gruppe: ä".as_bytes().to_vec(),
            b"Gruppe: \xe4".to_vec(),
            utf_16(&[0xfeff], u16::to_le_bytes),
            utf_16(&[0xfeff], u16::to_be_bytes),
            utf_16(&[], u16::to_le_bytes),
            utf_16(&[], u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes), "Gruppe: ä", "{bytes:?}");
        }
    }

    #[test]
    fn whole_numbers_are_read_as_spreadsheets_write_them() {
        for text in ["1", "01", " 1 ", "1.0", "1,00", "1."] {
            assert_eq!(whole_number(text), Some(1), "{text}");
        }
        for text in ["", ".", "one", "1.5", "-1", "+1", "1e0", "99999999999999999999999"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }
}
