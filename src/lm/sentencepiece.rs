//! Byte-pair encoding by scores, as `SentencePiece` does it for Llama 1 and 2.
//!
//! Two neighbours join while a piece of the vocabulary is made of them, the highest score first and
//! of equal ones the leftmost; what no piece covers is spelled in bytes. Source:
//! `src/bpe_model.cc` in <https://github.com/google/sentencepiece>, without sampling; how control
//! tokens divide a text as in `llama-vocab.cpp` of llama.cpp.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, HashSet},
};

/// What a piece is, as the numbers in model files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// Text.
    Normal,
    /// What stands for text that is not in the vocabulary.
    Unknown,
    /// It steers the model and is no text.
    Control,
    /// Text that is always a piece of its own.
    UserDefined,
    /// Used on the way to longer pieces, but never by itself.
    Unused,
    /// One byte of a character that has no piece.
    Byte,
}

impl PieceKind {
    /// The kind of that number; text, for numbers that say nothing.
    pub fn of_code(code: i32) -> Self {
        match code {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// An entry of the vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its name; spaces are written as `▁`.
    pub text: String,
    /// How early it is made.
    pub score: f32,
    /// What it is.
    pub kind: PieceKind,
}

impl Piece {
    /// What it says, in bytes; nothing for what steers the model.
    pub fn spelling(&self) -> Vec<u8> {
        match self.kind {
            PieceKind::Control | PieceKind::Unknown => Vec::new(),
            PieceKind::Byte => {
                byte_named(&self.text).map_or_else(|| self.text.clone().into(), |byte| vec![byte])
            }
            _ => self.text.replace(SPACE, " ").into_bytes(),
        }
    }
}

/// What stands for a space in pieces.
pub const SPACE: char = '▁';

/// The byte that a piece called `<0x0A>` stands for.
pub fn byte_named(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The vocabulary, ready to split text.
#[derive(Debug)]
pub struct SentencePiece {
    /// Pieces that text can become, with their ids.
    joined: HashMap<String, u32>,
    scores: Vec<f32>,
    /// Pieces that are taken apart again.
    unused: HashSet<u32>,
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
    /// Pieces that divide a text before anything is joined: those of one first letter together, the
    /// longest first.
    dividers: HashMap<char, Vec<(String, u32, PieceKind)>>,
    adds_space: bool,
}

impl SentencePiece {
    /// The name of a piece that divides texts: of control tokens, that is.
    pub fn divider(&self, id: u32) -> Option<&str> {
        let mut dividers = self.dividers.values().flatten();
        dividers.find(|(_, divider, _)| *divider == id).map(|(name, ..)| name.as_str())
    }

    /// Takes in a vocabulary; with `adds_space` a text's first word, and one behind a control
    /// token, is written as if a space stood before it.
    pub fn new(pieces: &[Piece], space: SpaceBefore) -> Self {
        let mut this = Self {
            joined: HashMap::new(),
            scores: pieces.iter().map(|piece| piece.score).collect(),
            unused: HashSet::new(),
            bytes: vec![None; 256],
            unknown: None,
            dividers: HashMap::new(),
            adds_space: space == SpaceBefore::FirstWord,
        };
        for (id, piece) in (0u32..).zip(pieces) {
            match piece.kind {
                PieceKind::Byte => {
                    if let Some(byte) = byte_named(&piece.text) {
                        this.bytes[usize::from(byte)] = Some(id);
                    }
                    continue;
                }
                PieceKind::Normal => (),
                PieceKind::Unused => {
                    this.unused.insert(id);
                }
                PieceKind::Unknown | PieceKind::Control | PieceKind::UserDefined => {
                    if piece.kind == PieceKind::Unknown {
                        this.unknown = Some(id);
                    }
                    let text = piece.text.replace(SPACE, " ");
                    if let Some(letter) = text.chars().next() {
                        let alike = this.dividers.entry(letter).or_default();
                        alike.push((text, id, piece.kind));
                    }
                    continue;
                }
            }
            // Of two pieces of one name the first counts.
            this.joined.entry(piece.text.clone()).or_insert(id);
        }
        for alike in this.dividers.values_mut() {
            alike.sort_by_key(|(text, ..)| Reverse(text.len()));
        }
        this
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// If a character has no piece, no bytes, and there is nothing for the unknown; in words.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut ids = Vec::new();
        let mut wants_space = self.adds_space;
        let mut plain_from = 0;
        let mut at = 0;
        while let Some(letter) = text[at..].chars().next() {
            let alike = self.dividers.get(&letter).into_iter().flatten();
            let divider =
                alike.into_iter().find(|(name, ..)| text[at..].starts_with(name.as_str()));
            let Some((name, id, kind)) = divider else {
                at += letter.len_utf8();
                continue;
            };
            // A user's own piece is text, so the space before a text comes before it, too.
            if plain_from < at || wants_space && *kind == PieceKind::UserDefined {
                self.encode_plain(&text[plain_from..at], wants_space, &mut ids)?;
            }
            ids.push(*id);
            wants_space = self.adds_space && *kind != PieceKind::UserDefined;
            at += name.len();
            plain_from = at;
        }
        if plain_from < text.len() {
            self.encode_plain(&text[plain_from..], wants_space, &mut ids)?;
        }
        Ok(ids)
    }

    /// Text without dividers.
    fn encode_plain(
        &self,
        text: &str,
        wants_space: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), String> {
        let mut escaped = String::with_capacity(text.len() + SPACE.len_utf8());
        if wants_space {
            escaped.push(SPACE);
        }
        escaped.extend(text.chars().map(|letter| if letter == ' ' { SPACE } else { letter }));
        let mut joining = Joining::new(self, &escaped);
        joining.run();
        let mut at = Some(0);
        while let Some(symbol) = at.and_then(|at: usize| joining.symbols.get(at)) {
            joining.push_ids(symbol.start, symbol.end, ids)?;
            at = symbol.next;
        }
        Ok(())
    }
}

/// Whether a text's first word is written as if a space stood before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceBefore {
    /// Yes.
    FirstWord,
    /// No.
    Nothing,
}

/// A stretch of text that is one piece so far; empty once its left neighbour took it in.
#[derive(Debug)]
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that make a piece.
#[derive(Debug, PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    start: usize,
    end: usize,
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    /// The highest score first, then the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

/// The joining of one stretch of text.
struct Joining<'a> {
    pieces: &'a SentencePiece,
    text: &'a str,
    symbols: Vec<Symbol>,
    pairs: BinaryHeap<Pair>,
    /// Where an unused piece was put together, to take it apart there.
    seams: HashMap<(usize, usize), usize>,
}

impl<'a> Joining<'a> {
    /// Every character by itself.
    fn new(pieces: &'a SentencePiece, text: &'a str) -> Self {
        let mut symbols: Vec<Symbol> = Vec::new();
        for (start, letter) in text.char_indices() {
            let previous = symbols.len().checked_sub(1);
            let next = Some(symbols.len() + 1);
            symbols.push(Symbol { start, end: start + letter.len_utf8(), previous, next });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        Self { pieces, text, symbols, pairs: BinaryHeap::new(), seams: HashMap::new() }
    }

    fn run(&mut self) {
        for right in 1..self.symbols.len() {
            self.consider(right - 1, right);
        }
        while let Some(pair) = self.pairs.pop() {
            let (left, right) = (&self.symbols[pair.left], &self.symbols[pair.right]);
            // Either side may have changed since the pair was seen.
            let is_fresh = left.start == pair.start
                && left.end == right.start
                && right.end == pair.end
                && right.start < right.end;
            if !is_fresh {
                continue;
            }
            let next = right.next;
            let seam = right.start;
            self.symbols[pair.right].start = pair.end;
            self.symbols[pair.left].end = pair.end;
            self.symbols[pair.left].next = next;
            if let Some(next) = next {
                self.symbols[next].previous = Some(pair.left);
                self.consider(pair.left, next);
            }
            if let Some(previous) = self.symbols[pair.left].previous {
                self.consider(previous, pair.left);
            }
            if !self.pieces.unused.is_empty() {
                self.seams.insert((pair.start, pair.end), seam);
            }
        }
    }

    /// Notes two neighbours if they make a piece.
    fn consider(&mut self, left: usize, right: usize) {
        let (start, end) = (self.symbols[left].start, self.symbols[right].end);
        if let Some(id) = self.pieces.joined.get(&self.text[start..end]) {
            let score = self.pieces.scores[*id as usize];
            self.pairs.push(Pair { score, left, right, start, end });
        }
    }

    /// The ids of a stretch: its piece, the parts of an unused one, or bytes.
    fn push_ids(&self, start: usize, end: usize, ids: &mut Vec<u32>) -> Result<(), String> {
        let text = &self.text[start..end];
        match self.pieces.joined.get(text) {
            Some(id) if !self.pieces.unused.contains(id) => {
                ids.push(*id);
                return Ok(());
            }
            Some(_) if let Some(&seam) = self.seams.get(&(start, end)) => {
                self.push_ids(start, seam, ids)?;
                return self.push_ids(seam, end, ids);
            }
            _ => (),
        }
        let bytes = text.bytes().map(|byte| self.pieces.bytes[usize::from(byte)]);
        if let Some(bytes) = bytes.collect::<Option<Vec<u32>>>() {
            ids.extend(bytes);
        } else {
            let unknown = self.pieces.unknown;
            ids.push(unknown.ok_or_else(|| format!("{text:?} is not in the vocabulary"))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Fixture {
        pieces: Vec<FixturePiece>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct FixturePiece {
        text: String,
        score: f32,
        kind: i32,
    }

    #[derive(Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u32>,
    }

    /// Made by `scripts/make_sentencepiece_fixture.py` with `sentencepiece` itself.
    fn fixture() -> (Vec<Piece>, Vec<Case>) {
        let json = include_str!("../../tests/fixtures/lm/sentencepiece.json");
        let Fixture { pieces, cases } = serde_json::from_str(json).unwrap();
        let piece = |FixturePiece { text, score, kind }| Piece {
            text,
            score,
            kind: PieceKind::of_code(kind),
        };
        (pieces.into_iter().map(piece).collect(), cases)
    }

    fn id(pieces: &[Piece], name: &str) -> u32 {
        pieces.iter().position(|piece| piece.text == name).unwrap() as u32
    }

    fn piece(text: &str, score: f32, kind: PieceKind) -> Piece {
        Piece { text: text.to_owned(), score, kind }
    }

    #[test]
    fn texts_become_the_ids_of_the_reference() {
        let (pieces, cases) = fixture();
        let made = SentencePiece::new(&pieces, SpaceBefore::FirstWord);
        assert!(cases.len() > 70);
        for Case { text, ids } in cases {
            assert_eq!(made.encode(&text).unwrap(), ids, "{text:?}");
        }
    }

    #[test]
    fn what_the_ids_spell_is_the_text_behind_a_space() {
        let (pieces, cases) = fixture();
        for Case { text, ids } in cases.into_iter().filter(|case| !case.text.is_empty()) {
            let bytes = ids.iter().flat_map(|id| pieces[*id as usize].spelling());
            let spelled = String::from_utf8(bytes.collect()).unwrap();
            // The letter that stands for a space cannot be told from one.
            assert_eq!(spelled, format!(" {}", text.replace(SPACE, " ")));
        }
    }

    #[test]
    fn names_of_control_tokens_become_those_tokens() {
        let (pieces, _) = fixture();
        let made = SentencePiece::new(&pieces, SpaceBefore::FirstWord);
        let sea = [id(&pieces, "▁the"), id(&pieces, "▁sea")];
        let (begin, end) = (id(&pieces, "<s>"), id(&pieces, "</s>"));
        assert_eq!(
            made.encode("<s>the sea</s>the sea").unwrap(),
            [&[begin][..], &sea, &[end], &sea].concat()
        );
        let bare = SentencePiece::new(&pieces, SpaceBefore::Nothing);
        assert_eq!(bare.encode("</s> the sea").unwrap(), [&[end][..], &sea].concat());
    }

    #[test]
    fn of_equal_scores_the_leftmost_is_joined_first() {
        let pieces: Vec<Piece> = ["a", "aa"].map(|text| piece(text, 0.0, PieceKind::Normal)).into();
        let made = SentencePiece::new(&pieces, SpaceBefore::Nothing);
        assert_eq!(made.encode("aaaaa").unwrap(), [1, 1, 0]);
    }

    #[test]
    fn an_unused_piece_is_taken_apart_again() {
        let pieces = [
            piece("a", -9.0, PieceKind::Normal),
            piece("b", -9.0, PieceKind::Normal),
            piece("ab", -1.0, PieceKind::Unused),
            piece("aba", -2.0, PieceKind::Normal),
        ];
        let made = SentencePiece::new(&pieces, SpaceBefore::Nothing);
        assert_eq!(made.encode("ab").unwrap(), [0, 1]);
        assert_eq!(made.encode("aba").unwrap(), [3]);
    }

    #[test]
    fn without_bytes_there_is_a_piece_for_the_unknown_or_an_error() {
        let mut pieces =
            vec![piece("a", 0.0, PieceKind::Normal), piece("<unk>", 0.0, PieceKind::Unknown)];
        let encode =
            |pieces: &[Piece]| SentencePiece::new(pieces, SpaceBefore::Nothing).encode("aß");
        assert_eq!(encode(&pieces), Ok(vec![0, 1]));
        pieces.pop();
        assert_eq!(encode(&pieces), Err("\"ß\" is not in the vocabulary".to_owned()));
    }
}
