//! The tensors that an architecture has, and how a file's tensors are compared with them.
//!
//! A line names a tensor and its shape: a number, a letter that stands for one number throughout,
//! a multiple of a letter (`4*H`), or `_` for any. `#` in a name stands for 0, 1, 2, … as far as the
//! file goes. `~` before a name is a layer's weight in any spelling (weight norm, `.conv`), `?` is a
//! tensor that may be missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Repetitions that a name may ask for; more only a damaged file has.
const MOST: usize = 256;

/// Something about a file that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// A tensor that is not there.
    Missing {
        /// Its name.
        tensor: String,
    },
    /// A tensor of another shape.
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the others ask for.
        expected: String,
    },
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { tensor } => write!(f, "{tensor} is missing"),
            Self::Shape { tensor, found, expected } => {
                write!(f, "{tensor} is {found:?}, expected [{expected}]")
            }
        }
    }
}

/// Names and shapes of a file's tensors.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// What a comparison has found.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Tensors of the file that belong to the architecture.
    pub known: BTreeSet<String>,
    /// What does not fit.
    pub complaints: Vec<Complaint>,
    /// What the letters stand for.
    pub sizes: HashMap<String, usize>,
}

/// Compares a file's tensors with the lines of an architecture.
pub fn compare(lines: &str, shapes: &Shapes<'_>) -> Comparison {
    let mut comparison = Comparison::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let pattern = words.next().unwrap_or_default();
        let dims: Vec<&str> = words.collect();
        let (pattern, is_optional) = match pattern.strip_prefix('?') {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        for name in expand(pattern, shapes) {
            comparison.one(&name, &dims, is_optional, shapes);
        }
    }
    comparison
}

impl Comparison {
    fn one(&mut self, name: &str, dims: &[&str], is_optional: bool, shapes: &Shapes<'_>) {
        let spellings: Vec<[String; 2]> = match name.strip_prefix('~') {
            None => vec![[name.to_owned(), String::new()]],
            Some(layer) => spellings(layer),
        };
        let found = spellings.iter().find(|[tensor, _]| shapes.contains_key(tensor.as_str()));
        let Some([tensor, gain]) = found else {
            if !is_optional {
                self.complaints.push(Complaint::Missing { tensor: spellings[0][0].clone() });
            }
            return;
        };
        self.known.insert(tensor.clone());
        if !gain.is_empty() {
            if shapes.contains_key(gain.as_str()) {
                self.known.insert(gain.clone());
            } else {
                self.complaints.push(Complaint::Missing { tensor: gain.clone() });
            }
        }
        let shape = shapes[tensor.as_str()];
        let fits = shape.len() == dims.len()
            && shape.iter().zip(dims).all(|(&len, dim)| len > 0 && self.fits(dim, len));
        if !fits {
            let expected: Vec<String> = dims.iter().map(|dim| self.named(dim)).collect();
            self.complaints.push(Complaint::Shape {
                tensor: tensor.clone(),
                found: shape.to_vec(),
                expected: expected.join(", "),
            });
        }
    }

    /// Whether a length is what a dimension asks for; a letter that stands for nothing yet stands
    /// for it from now on.
    fn fits(&mut self, dim: &str, len: usize) -> bool {
        if dim == "_" {
            return true;
        }
        if let Ok(number) = dim.parse::<usize>() {
            return number == len;
        }
        let (factor, letter) = factor_of(dim);
        if let Some(size) = self.sizes.get(letter) {
            return size * factor == len;
        }
        if !len.is_multiple_of(factor) {
            return false;
        }
        self.sizes.insert(letter.to_owned(), len / factor);
        true
    }

    /// A dimension as a number, where one is known.
    fn named(&self, dim: &str) -> String {
        let (factor, letter) = factor_of(dim);
        match self.sizes.get(letter) {
            Some(size) => (size * factor).to_string(),
            None if dim == "_" => "any".to_owned(),
            None => dim.to_owned(),
        }
    }
}

fn factor_of(dim: &str) -> (usize, &str) {
    match dim.split_once('*') {
        Some((factor, letter)) => (factor.parse().unwrap_or(1), letter),
        None => (1, dim),
    }
}

/// The names that a layer's weight may have, and what must stand beside each.
fn spellings(layer: &str) -> Vec<[String; 2]> {
    ["", ".conv"]
        .iter()
        .flat_map(|inner| {
            let name = |ending: &str| format!("{layer}{inner}.{ending}");
            let parametrized = "parametrizations.weight.original";
            [
                [name("weight"), String::new()],
                [name("weight_v"), name("weight_g")],
                [name(&format!("{parametrized}1")), name(&format!("{parametrized}0"))],
            ]
        })
        .collect()
}

/// Every name that a pattern stands for: each `#` counts as far as the file has names, but once at
/// least.
fn expand(pattern: &str, shapes: &Shapes<'_>) -> Vec<String> {
    let Some((before, after)) = pattern.split_once('#') else { return vec![pattern.to_owned()] };
    let prefix = before.trim_start_matches('~');
    let index_of = |name: &&str| -> Option<usize> {
        let rest = name.strip_prefix(prefix)?;
        rest.split('.').next()?.parse().ok()
    };
    let last = shapes.keys().filter_map(index_of).filter(|&index| index < MOST).max();
    (0..=last.unwrap_or(0))
        .flat_map(|index| expand(&format!("{before}{index}{after}"), shapes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "
        embedding.weight S C
        ~layers.#.conv C C 3
        layers.#.bias C
        ?extra.weight 2*C
    ";

    #[track_caller]
    fn check(tensors: &[(&str, &[usize])], expected: &[&str]) {
        let shapes: Shapes<'_> = tensors.iter().copied().collect();
        let complaints: Vec<String> =
            compare(LINES, &shapes).complaints.iter().map(ToString::to_string).collect();
        assert_eq!(complaints, expected);
    }

    #[test]
    fn every_tensor_that_does_not_fit_is_told() {
        check(
            &[
                ("embedding.weight", &[9, 4]),
                ("layers.0.conv.weight_v", &[4, 4, 3]),
                ("layers.0.conv.weight_g", &[4, 1, 1]),
                ("layers.0.bias", &[4]),
                ("layers.1.conv.conv.weight", &[4, 4, 3]),
                ("layers.1.bias", &[4]),
                ("extra.weight", &[8]),
            ],
            &[],
        );
        check(
            &[
                ("embedding.weight", &[9, 4]),
                ("layers.0.conv.weight_v", &[4, 4, 5]),
                ("layers.1.bias", &[3]),
                ("extra.weight", &[9]),
            ],
            &[
                "layers.0.conv.weight_g is missing",
                "layers.0.conv.weight_v is [4, 4, 5], expected [4, 4, 3]",
                "layers.1.conv.weight is missing",
                "layers.0.bias is missing",
                "layers.1.bias is [3], expected [4]",
                "extra.weight is [9], expected [8]",
            ],
        );
        check(
            &[],
            &[
                "embedding.weight is missing",
                "layers.0.conv.weight is missing",
                "layers.0.bias is missing",
            ],
        );
    }
}
