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

/// Tensors of a file above which nobody guesses: every net's names are looked for among them.
const MOST_TENSORS: usize = 20_000;

/// Tensors of a file for each of a net above which it is not that net's, whatever else is saved beside it.
const MOST_EACH: usize = 8;

/// The nets, of those given, of which a file has the most tensors by name and shape; none if it has less than four
/// fifths of each one's.
///
/// Several are nets that differ in what they compute alone, such as in their padding.
pub fn likely_nets<'a>(
    file: &TensorFile,
    nets: impl IntoIterator<Item = &'a NetInfo>,
) -> Vec<LikelyNet> {
    let (mut most, mut likely) = (0, Vec::new());
    let tensors = file.names().count();
    if tensors > MOST_TENSORS {
        return likely;
    }
    for info in nets {
        let config = info.config();
        let Ok(shapes) = info.shapes(&config) else { continue };
        let needed = (LIKELY * shapes.len() as f64).ceil() as usize;
        if tensors < needed || tensors > MOST_EACH * shapes.len() {
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
        let entries = std::fs::read_dir(folder).unwrap();
        let mut lists: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        lists.retain(|name| name.ends_with(".txt"));
        lists.sort();
        let mut tried = BTreeSet::new();
        for (place, list) in lists.iter().enumerate() {
            let (net, source) = list.trim_end_matches(".txt").split_once('.').unwrap();
            let info = taper_model::nets::find(net).unwrap();
            // The small ones, and those that differ most from timm's names, which are the nets' own.
            if info.size.unwrap().parameters > 10_000_000 || source == "timm" {
                continue;
            }
            let prefix = if place % 2 == 0 { "" } else { "module." };
            let likely = of_list(&Path::new(folder).join(list), prefix);
            let right = likely.iter().find(|likely| likely.net == net);
            let right = right.unwrap_or_else(|| panic!("{net} of {source}: {likely:?}"));
            let map = info.key_map(source).map(|_| source);
            assert!(right.key_map == map, "{net} of {source}: {right:?}");
            // Beside it only nets that have the same names and shapes, as TensorFlow's.
            let same = |likely: &LikelyNet| {
                likely.net.trim_start_matches("tf_") == net.trim_start_matches("tf_")
            };
            assert!(likely.iter().all(same), "{net} of {source}: {likely:?}");
            tried.insert(net);
        }
        assert!(tried.len() > 10, "{tried:?}");
    }

    #[test]
    fn a_file_of_more_names_than_nets_have_is_no_nets_and_told_at_once() {
        let zero = Tensor::zeros((), DType::F16, &Device::Cpu).unwrap();
        let name = |place| (format!("a.b{}.c.{place}.weight", place % 7), zero.clone());
        for count in [5_000, 100_000] {
            let file = TensorFile::from_tensors((0..count).map(name).collect(), "a").unwrap();
            let started = std::time::Instant::now();
            assert_eq!(likely_nets(&file, taper_model::nets::all()), []);
            assert!(started.elapsed().as_secs() < 20, "{count}: {:?}", started.elapsed());
        }
    }
}
