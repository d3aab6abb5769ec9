//! The numbers of a data set as text.

use std::fmt::{Display, Formatter, Result};

use taper_dataset::Description;
use taper_dataset::inspect::Inspection;
use taper_metrics::text::{columns, left, printable, printable_lines};

use crate::inspect::{Inspected, about, stored};

impl Display for Inspected {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Inspection { parts, groups_within, groups_across, conflicts, .. } = &self.inspection;
        let about = about(&self.inspection.name);
        about.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if !about.is_empty() {
            writeln!(f)?;
        }
        for part in parts {
            // The classes of all parts stand in one table, below.
            let description = Description { classes: Vec::new(), ..part.description.clone() };
            write!(f, "{}: {}", part.name, printable_lines(&description.to_string()))?;
            if !part.endings.is_empty() {
                let endings =
                    part.endings.iter().map(|(ending, count)| format!("{count} {ending}"));
                writeln!(f, "files   {}", endings.collect::<Vec<_>>().join(", "))?;
            }
            if !part.stored.is_empty() {
                writeln!(f, "stored  {}", stored(part))?;
            }
            if !part.faults.is_empty() {
                let (broken, read) = (part.faults.len(), part.description.count);
                writeln!(f, "broken  {broken} of {}", broken + read)?;
            }
            for fault in &part.faults {
                writeln!(f, "broken  {}", printable(fault))?;
            }
            writeln!(f)?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out: {}, which cannot be read", self.left_out.len())?;
            self.left_out.iter().try_for_each(|reason| writeln!(f, "  {}", printable(reason)))?;
            writeln!(f)?;
        }
        write_classes(self, f)?;
        if let Some((name, count)) = &self.inspection.smallest_class {
            writeln!(f, "smallest class: {}, {count} to train on", printable(name))?;
        }
        if let Some(cut) = self.cut() {
            writeln!(f, "{cut}")?;
        }
        writeln!(f, "\nnormalization, by the recipe's keys:")?;
        self.normalization().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(
            f,
            "groups of equal images: {groups_within} within a part, {groups_across} across parts \
             (leaks), {conflicts} with different classes"
        )?;
        for group in self.inspection.duplicates.iter().take(10) {
            let items = group.items.iter().map(|(part, name, class)| {
                format!("{} ({part}, class {})", printable(name), printable(class))
            });
            writeln!(f, "  {}", items.collect::<Vec<_>>().join(" = "))?;
        }
        Ok(())
    }
}

/// Images of each class, a column a part.
fn write_classes(inspected: &Inspected, f: &mut Formatter<'_>) -> Result {
    let parts = &inspected.inspection.parts;
    let classes = &parts[0].description.classes;
    let names: Vec<String> = classes.iter().map(|(name, _)| printable(name)).collect();
    let columns = columns(names.iter().map(String::as_str)).max(5);
    write!(f, "{}", left("class", columns))?;
    parts.iter().try_for_each(|part| write!(f, "{:>12}", part.name))?;
    for (place, name) in names.iter().enumerate() {
        write!(f, "\n{}", left(name, columns))?;
        for part in parts {
            let count = part.description.classes.get(place).map_or(0, |(_, count)| *count);
            write!(f, "{count:>12}")?;
        }
    }
    writeln!(f)
}
