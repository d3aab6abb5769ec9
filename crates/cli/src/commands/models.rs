//! `models`: the nets that are known by name.

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;
use taper_metrics::text::{left, width};
use taper_runner::taper_model::nets::{NetInfo, NetSize};
use taper_runner::taper_model::summary::Totals;
use taper_runner::{Registry, summarize};

use crate::flags::Output;
use crate::print::{print, print_json};
use crate::table::count;

/// How large a net is; one that does not say is built and counted.
fn size(net: &NetInfo) -> Option<NetSize> {
    net.size.or_else(|| {
        let Totals { trainable, multiply_adds, .. } = summarize(net, None, &[]).ok()?.total;
        Some(NetSize { parameters: trainable, multiply_adds })
    })
}

pub(super) fn run(output: Output, registry: &Registry) -> Result<()> {
    let names: Vec<&str> = registry.models.net_names().collect();
    let nets =
        names.into_iter().map(|name| registry.models.net(name)).collect::<Result<Vec<_>, _>>()?;
    if output.json {
        let nets = nets.iter().map(|net| {
            let (channels, height, width) = net.default_input;
            let size = size(net);
            json!({
                "name": net.name,
                "description": net.description,
                "parameters": size.map(|size| size.parameters),
                "multiply_adds": size.map(|size| size.multiply_adds),
                "input": [channels, height, width],
                "num_classes": net.num_classes,
                "hub": net.published.map(|published| published.hub),
                "license": net.published.map(|published| published.license),
                "imagenet_top1": net.published.and_then(|published| published.top1),
            })
        });
        return print_json(&nets.collect());
    }
    let columns = nets.iter().map(|net| width(net.name)).max().unwrap_or(0);
    let mut text = format!(
        "{}  {:>10}  {:>13}  {:<13}  {}\n",
        left("net", columns),
        "parameters",
        "multiply-adds",
        "input (c,h,w)",
        "weights to start from"
    );
    for net in nets {
        let (parameters, multiply_adds) = match size(net) {
            Some(size) => (count(size.parameters), count(size.multiply_adds)),
            None => ("?".to_string(), "?".to_string()),
        };
        let (c, h, w) = net.default_input;
        let input = format!("{c}x{h}x{w}");
        let hub = net.published.map_or(String::new(), |published| format!("hub:{}", published.hub));
        let line = format!(
            "{}  {parameters:>10}  {multiply_adds:>13}  {input:<13}  {hub}",
            left(net.name, columns)
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    print(&text)
}
