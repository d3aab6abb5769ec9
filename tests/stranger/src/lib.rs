//! Parts of a stranger's own: each in one file, none longer than 60 lines, and none that touches Taper.

pub mod cost;
pub mod focal;
pub mod lion;
pub mod lstm;
pub mod mish;
pub mod muon;
pub mod noise;
pub mod restarts;
pub mod rings;
pub mod row_reader;
pub mod scan;
pub mod softsign;

use taper_cli::Registry;
use taper_cli::taper_runner::Better;

/// Adds all of it.
pub fn register(registry: &mut Registry) {
    registry.add_net(row_reader::net("row-reader", 24));
    registry.add_net(row_reader::net("row-reader-wide", 48));
    registry.add_dataset("rings", rings::open);
    registry.add_rule::<lion::Lion>("lion");
    registry.add_rule::<muon::Muon>("muon");
    registry.add_schedule::<restarts::Restarts>("restarts");
    registry.add_augment::<scan::Scan>("scan");
    registry.add_loss::<focal::Focal>("focal");
    registry.add_metric("mean_cost", Better::Less, cost::mean_cost);
    registry.add_recipe("rings", include_str!("rings.toml"));
}
