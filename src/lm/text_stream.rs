//! Bytes of tokens to text, a step at a time, without ever showing half a character.
//!
//! Byte-level vocabularies (GPT-2, <https://github.com/openai/gpt-2/blob/master/src/encoder.py>)
//! write each byte as a printable letter and may cut a character between two tokens.

/// Text that is still coming in.
#[derive(Debug, Default)]
pub struct TextStream {
    /// The beginning of a character whose end has not come yet.
    pending: Vec<u8>,
    /// Whether a space that comes now is one that the tokenizer put there.
    drops_space: bool,
}

impl TextStream {
    /// The stream of a text; `drops_first_space` for tokenizers that write its first word as if a
    /// space stood before it.
    pub fn new(drops_first_space: bool) -> Self {
        Self { pending: Vec::new(), drops_space: drops_first_space }
    }

    /// Takes in bytes and returns the text that they complete; what can be no text becomes `�`.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut bytes = bytes;
        if self.drops_space && !bytes.is_empty() {
            self.drops_space = false;
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            let is_beginning = done + invalid.len() == self.pending.len()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if !invalid.is_empty() && !is_beginning {
                text.push(char::REPLACEMENT_CHARACTER);
                done += invalid.len();
            }
        }
        self.pending.drain(..done);
        text
    }

    /// What is left when nothing more comes: nothing, or `�` for half a character.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// The byte that a letter stands for in byte-level vocabularies; `None` for other characters.
pub fn byte_of_letter(letter: char) -> Option<u8> {
    match letter {
        '!'..='~' | '¡'..='¬' | '®'..='ÿ' => u8::try_from(u32::from(letter)).ok(),
        // The bytes that are no printable letter, in order, from U+0100 on.
        'Ā'..='Ń' => {
            let index = u32::from(letter) - 0x100;
            (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth(index as usize)
        }
        _ => None,
    }
}

/// The bytes of a token written in those letters; of any other token, those of its name.
pub fn spelled_by(token: &str) -> Vec<u8> {
    let letters: Option<Vec<u8>> = token.chars().map(byte_of_letter).collect();
    letters.unwrap_or_else(|| token.as_bytes().to_vec())
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_has_one_letter() {
        let bytes: std::collections::BTreeSet<u8> =
            ('\0'..='\u{200}').filter_map(byte_of_letter).collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!((byte_of_letter('Ġ'), byte_of_letter('Ċ')), (Some(b' '), Some(b'\n')));
        assert_eq!((byte_of_letter(' '), byte_of_letter('ń')), (None, None));
    }

    #[test]
    fn half_a_character_waits_for_its_end() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"a\xE2\x9C"), "a");
        assert_eq!(stream.push(b"\x93b"), "✓b");
        assert_eq!(stream.push(b"\xF0\x9F"), "");
        assert_eq!(stream.finish(), "\u{FFFD}");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn a_space_that_the_tokenizer_put_first_is_dropped_once() {
        let mut stream = TextStream::new(true);
        assert_eq!(stream.push(b""), "");
        assert_eq!(stream.push(b" Hi"), "Hi");
        assert_eq!(stream.push(b" there"), " there");
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(bytes in prop::collection::vec(any::<u8>(), 0..40), cut in 1usize..5) {
            let mut stream = TextStream::default();
            let mut text: String = bytes.chunks(cut).map(|piece| stream.push(piece)).collect();
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
