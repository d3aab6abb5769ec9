//! Which column of a parquet file holds the images, and which one the labels.

use taper_untrusted::json;

use super::footer::{Column, Footer, Physical};

/// How a column is found.
pub(super) struct Wanted<'a> {
    pub what: &'static str,
    /// The setting that names it.
    pub setting: &'static str,
    /// What that setting says.
    pub name: Option<&'a str>,
    /// Its type in the Hub's library.
    pub feature: &'static str,
    /// The names that are usual.
    pub usual: &'static [&'static str],
    /// What its values are called where it is a structure.
    pub inner: &'static str,
    /// What it must hold.
    pub expected: &'static str,
    pub kinds: &'a [Physical],
}

impl Footer {
    /// The column that the setting names; else, of the columns of the Hub's type, or of all where
    /// there is none, the first one of a usual name; else the only one of the Hub's type.
    pub(super) fn find(&self, wanted: &Wanted<'_>) -> Result<&Column, String> {
        let usable = |column: &&Column| wanted.kinds.contains(&column.kind) && !column.repeated;
        let named = |name: &str| {
            let path = |column: &&Column| {
                let rest = column.path.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest == wanted.inner)
            };
            self.columns.iter().filter(usable).find(path)
        };
        let typed = self.of_feature(wanted.feature);
        let candidates: Vec<&str> = match (wanted.name, &typed[..]) {
            (Some(name), _) => vec![name],
            (None, []) => self.in_order_of(wanted.usual).collect(),
            (None, [only]) => vec![only],
            (None, typed) => self
                .in_order_of(wanted.usual)
                .filter(|name| typed.iter().any(|t| t == name))
                .collect(),
        };
        if let Some(column) = candidates.iter().find_map(|name| named(name)) {
            return Ok(column);
        }
        // There, but not usable.
        let within = |column: &&Column| candidates.contains(&top(&column.path));
        Err(match self.columns.iter().find(within) {
            Some(column) => {
                let name = top(&column.path);
                let parts = self.columns.iter().filter(|column| top(&column.path) == name);
                let parts: Vec<String> = parts
                    .map(|column| match column.path == name || column.repeated {
                        true => column.to_string(),
                        false => format!("{column} called {}", column.path),
                    })
                    .collect();
                format!(
                    "its column `{name}` holds {}, expected {}; name another with {}",
                    parts.join(", "),
                    wanted.expected,
                    wanted.setting
                )
            }
            None => {
                // Of a structure, the name that the user knows.
                let mut columns: Vec<&str> =
                    self.columns.iter().map(|column| top(&column.path)).collect();
                columns.dedup();
                format!(
                    "expected a column of {} called {}, found the columns {}; name one with {}",
                    wanted.what,
                    wanted.name.map_or(wanted.usual.join(", "), str::to_owned),
                    columns.join(", "),
                    wanted.setting
                )
            }
        })
    }

    /// The names of columns that are among these, in upper or lower case, in the order of these.
    fn in_order_of<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        names.iter().flat_map(|name| {
            let tops = self.columns.iter().map(|column| top(&column.path));
            tops.filter(|top| top.eq_ignore_ascii_case(name))
        })
    }

    /// What the Hub's library has written of the columns, by their names.
    fn features(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let mut said = json::value(self.hugging_face.as_ref()?.as_bytes()).ok()?;
        said.get_mut("info")?.get_mut("features")?.as_object_mut().map(std::mem::take)
    }

    /// The columns of one of its types.
    fn of_feature(&self, feature: &str) -> Vec<String> {
        let features = self.features().unwrap_or_default();
        let of = |(_, about): &(String, serde_json::Value)| about["_type"] == feature;
        features.into_iter().filter(of).map(|(name, _)| name).collect()
    }

    /// The names of the classes that the Hub's library has written.
    pub(super) fn class_names(&self, column: &str) -> Option<Vec<String>> {
        let features = self.features()?;
        features.get(column)?["names"]
            .as_array()?
            .iter()
            .map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    }
}

/// The outermost name of a column's path.
fn top(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}
