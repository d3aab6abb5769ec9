//! Which net a file's tensors are likely of, by their names and shapes.

use std::cmp::Ordering;

use taper_model::nets::NetInfo;
use taper_model::weights::{Layout, TensorFile, WeightsConfig, count_found};

/// A net whose tensors a file seems to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikelyNet {
    /// Its name.
    pub net: &'static str,
    /// The net's key map that the file's names need.
    pub key_map: Option<&'static str>,
}

/// The share of a net's tensors that a file must have for it to be likely.
const LIKELY: f64 = 0.8;

/// The nets, of those given, of which a file has the most tensors by name and shape; none if it has less than four
/// fifths of each one's.
///
/// Several are nets that differ in what they compute alone, such as in their padding.
pub fn likely_nets<'a>(
    file: &TensorFile,
    nets: impl IntoIterator<Item = &'a NetInfo>,
) -> Vec<LikelyNet> {
    let (mut most, mut likely) = (0, Vec::new());
    for info in nets {
        let config = info.config();
        let Ok(shapes) = info.shapes(&config) else { continue };
        let needed = (LIKELY * shapes.len() as f64).ceil() as usize;
        if file.names().count() < needed {
            continue;
        }
        let usual = info.weights_config(&config, Layout::PyTorch);
        let found = |(name, key_map)| {
            let (source, usual) = (Some(file.clone()), usual.clone());
            (count_found(&WeightsConfig { source, key_map, ..usual }, &shapes), name)
        };
        let maps = info.key_maps.iter().map(|(name, map)| (Some(*name), map.clone()));
        let tried = [(None, usual.key_map.clone())].into_iter().chain(maps).map(found);
        // The first of the best: its own names rather than a map that changes nothing.
        let best = tried.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((found, key_map)) = best.filter(|(found, _)| *found >= needed) else { continue };
        match found.cmp(&most) {
            Ordering::Less => continue,
            Ordering::Equal => {}
            Ordering::Greater => likely.clear(),
        }
        most = found;
        likely.push(LikelyNet { net: info.name, key_map });
    }
    likely
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use candle_core::{DType, Device, Tensor};

    use super::*;

    /// What a list of a program's names and shapes is likely of.
    fn of_list(file: &Path, prefix: &str) -> Vec<LikelyNet> {
        let text = std::fs::read_to_string(file).unwrap();
        let zero = Tensor::zeros((), DType::F16, &Device::Cpu).unwrap();
        let tensor = |line: &str| {
            let (name, shape) = line.split_once(' ').unwrap_or((line, ""));
            let sizes = shape.split_whitespace().map(|size| size.parse().unwrap());
            (format!("{prefix}{name}"), zero.broadcast_as(sizes.collect::<Vec<usize>>()).unwrap())
        };
        let file = TensorFile::from_tensors(text.lines().map(tensor).collect(), "a").unwrap();
        likely_nets(&file, taper_model::nets::all())
    }

    #[test]
    fn every_net_is_known_by_the_names_that_other_programs_save() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/backbones");
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut tried = BTreeSet::new();
        for list in entries.filter(|name| name.ends_with(".txt")) {
            let (net, source) = list.trim_end_matches(".txt").split_once('.').unwrap();
            let small = taper_model::nets::find(net).unwrap().size.unwrap().parameters < 10_000_000;
            // timm's names are the nets' own.
            if !small || source == "timm" || !tried.insert(net.to_string()) {
                continue;
            }
            let prefix = if tried.len() % 2 == 0 { "" } else { "module." };
            let likely = of_list(&Path::new(folder).join(&list), prefix);
            assert!(likely.iter().any(|likely| likely.net == net), "{net} of {source}: {likely:?}");
        }
        assert!(tried.len() > 10, "{tried:?}");
    }
}
