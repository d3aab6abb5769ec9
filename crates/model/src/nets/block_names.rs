//! The names that other programs have for the layers of nets of inverted residuals.

use super::inverted_residual::{BlockNet, Neck, Part};
use crate::weights::KeyMap;

/// A convolution and its batch-norm, or the two layers of a squeeze-and-excitation, by its place in a net.
pub(super) struct Unit {
    /// The block's number over the whole net, from 0.
    pub block: usize,
    /// The stage, from 0.
    pub stage: usize,
    /// The block's number in its stage, from 0.
    pub index: usize,
    /// Which of its block's units it is, from 0.
    pub place: usize,
    /// What it is.
    pub part: Part,
}

/// A program's names of a net's layers; of two, the first is the convolution's, the second its batch-norm's.
pub(super) struct BlockNames {
    /// What may stand before all names, with its dot.
    pub prefix: &'static str,
    pub stem: [&'static str; 2],
    pub unit: fn(&Unit) -> [String; 2],
    /// The layers between the last block and the logits; of one, it has no batch-norm.
    pub neck: &'static [&'static str],
    pub classifier: &'static str,
}

impl BlockNames {
    /// From the program's names to the net's.
    pub fn key_map(&self, net: &BlockNet) -> KeyMap {
        let rules = self.pairs(net).into_iter();
        let rules = rules.map(|(theirs, ours)| (format!("{theirs}.*"), format!("{ours}.*")));
        KeyMap::new([(format!("{}*", self.prefix), "*".to_string())].into_iter().chain(rules))
    }

    /// From the net's names to the program's.
    pub fn export(&self, net: &BlockNet) -> KeyMap {
        KeyMap::new(self.pairs(net).into_iter().map(|(theirs, ours)| {
            let prefix = if theirs == self.classifier { "" } else { self.prefix };
            (format!("{ours}.*"), format!("{prefix}{theirs}.*"))
        }))
    }

    /// The names of each layer: the program's, the net's.
    fn pairs(&self, net: &BlockNet) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut block = 0;
        for (stage, blocks) in net.stages.iter().enumerate() {
            let blocks = blocks.iter().flat_map(|blocks| (0..blocks.repeats).map(move |_| blocks));
            for (index, blocks) in blocks.enumerate() {
                for (place, (part, ours)) in blocks.parts().into_iter().enumerate() {
                    let theirs = (self.unit)(&Unit { block, stage, index, place, part });
                    let ours = ours.map(|ours| format!("blocks.{stage}.{index}.{ours}"));
                    pairs.extend(theirs.into_iter().zip(ours));
                }
                block += 1;
            }
        }
        let mut ours = vec!["conv_head"];
        if let Neck::Full(_, norm) | Neck::PooledNorm(_, norm) = net.neck {
            ours.push(norm);
        }
        let ends = self.neck.iter().zip(ours);
        let ends = ends.chain(self.stem.iter().zip(["conv_stem", "bn1"]));
        let ends = ends.chain([(&self.classifier, "classifier")]);
        pairs.extend(ends.map(|(theirs, ours)| (theirs.to_string(), ours.to_string())));
        pairs
    }
}
