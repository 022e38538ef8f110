//! Whether an adapter can be put on a model of certain sizes.

use super::{
    AdapterProblem,
    file::{AdapterFile, Pair, module_path},
};
use crate::lm::{
    checkpoint::{Part, Weight},
    config::Config,
};

/// Compares every pair with the layer it changes, and the whole with what its settings promise.
///
/// # Errors
/// If a layer has other sizes or is not there, or a promised pair is missing.
pub fn check(file: &AdapterFile, config: &Config) -> Result<(), AdapterProblem> {
    for pair in &file.pairs {
        check_pair(pair, file, config)?;
    }
    let Some(settings) = &file.config else { return Ok(()) };
    for layer_idx in 0..config.n_layers {
        for part in Part::LINEAR {
            let path = module_path(layer_idx, part);
            let is_there =
                file.pairs.iter().any(|pair| (pair.layer_idx, pair.part) == (layer_idx, part));
            if !is_there && settings.covers(&path, layer_idx) {
                return Err(AdapterProblem::MissingModule(path));
            }
        }
    }
    Ok(())
}

fn check_pair(pair: &Pair, file: &AdapterFile, config: &Config) -> Result<(), AdapterProblem> {
    let &Pair { layer_idx, part, n_in, n_out, .. } = pair;
    let base = file.base.clone();
    if layer_idx >= config.n_layers {
        return Err(AdapterProblem::OtherDepth { layer_idx, n_layers: config.n_layers, base });
    }
    let shape = config.shape(Weight::Layer(layer_idx, part));
    match shape[..] {
        [base_out, base_in] if (base_out, base_in) != (n_out, n_in) => {
            let module = module_path(layer_idx, part);
            Err(AdapterProblem::OtherSizes { module, n_in, n_out, base_in, base_out, base })
        }
        _ => Ok(()),
    }
}
