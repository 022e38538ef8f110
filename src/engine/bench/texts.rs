//! What the model reads and writes while it is measured.

/// The first 37 of Shakespeare's sonnets: what contexts, prompts and the perplexity are taken from.
pub const SONNETS: &str = include_str!("../../../assets/sonnets.txt");

/// Token ids that every model has, for those that know no words.
pub fn ids(n_tokens: usize) -> Vec<u32> {
    (0..n_tokens as u32).map(|i| (i * 7919 + 13) % 32_000).collect()
}

/// A text to repeat and to sum up.
const STORY: &str = "The ferry to Holm leaves at six in the morning, long before the shops open. \
    Ingrid Aas has steered it for 22 years. She carries the post, the bread, the newspapers and, on \
    Mondays, the doctor. Last winter the engine stopped in the middle of the sound, and the tide \
    took the boat towards the reef. Ingrid dropped the anchor, rang the bell, and told the doctor to \
    hold the lamp as high as he could. Two fishermen saw the light from the pier, rowed out through \
    the snow, and towed the ferry home with a rope. Nobody was hurt, and only the bread got wet. The \
    next day the village gave the fishermen a barrel of cider, and the doctor bought a bigger lamp.";

/// Stories that are told at once: they begin differently, so that nothing of one serves another.
const HEROES: [&str; 8] = [
    "a fox who cannot find the river",
    "two sisters who build a kite",
    "an old clock that runs backwards",
    "a baker who forgets the salt",
    "the last train over the mountain",
    "a whale that learns to sing",
    "a gardener and her blue tulip",
    "a robot that is afraid of rain",
];

/// A prompt whose answer is in the prompt, word for word.
pub fn copy() -> String {
    format!("Repeat the following text word for word:\n\n{STORY}")
}

/// A prompt whose answer takes up parts of the prompt.
pub fn summarise() -> String {
    format!("Summarize the following text in three sentences:\n\n{STORY}")
}

/// Prompts for as many replies at once as are wanted.
pub fn stories(n: usize) -> impl Iterator<Item = String> {
    HEROES.iter().cycle().take(n).map(|hero| format!("Tell me a long story about {hero}."))
}
