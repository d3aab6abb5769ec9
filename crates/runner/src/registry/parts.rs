//! Parts of one kind, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::error::RecipeError;
use crate::fault::{Fault, settings_of};
use crate::recipe::Named;

/// Makes a part of its settings, and gives these complete.
type Make<T> = Arc<dyn Fn(Table) -> Result<(T, Table), Fault> + Send + Sync>;

/// Parts of one kind, such as all update rules, by name.
#[derive(Clone)]
pub(crate) struct Parts<T> {
    what: &'static str,
    known: BTreeMap<String, Part<T>>,
}

#[derive(Clone)]
struct Part<T> {
    /// The name that a complete recipe has for it.
    name: String,
    /// What is set where the recipe does not.
    defaults: Table,
    make: Make<T>,
}

impl<T> Parts<T> {
    /// None so far; `what` is their kind, for errors.
    pub fn new(what: &'static str) -> Self {
        Self { what, known: BTreeMap::new() }
    }

    /// Adds a part whose settings are those of its type.
    pub fn add<P: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        part: impl Fn(P) -> T + Send + Sync + 'static,
    ) {
        let make = move |settings: Table| {
            let given: Vec<String> = settings.keys().cloned().collect();
            let read: P = settings_of(settings)?;
            let complete =
                Table::try_from(&read).map_err(|error| Fault::Text(error.to_string()))?;
            // A type that passes over what it does not know.
            match given.into_iter().find(|key| !complete.contains_key(key)) {
                None => Ok((part(read), complete)),
                Some(key) => Err(Fault::Unknown { key, known: complete.keys().cloned().collect() }),
            }
        };
        let part = Part { name: name.to_string(), defaults: Table::new(), make: Arc::new(make) };
        self.known.insert(name.to_string(), part);
    }

    /// Adds another name for a part, with other defaults.
    pub fn add_preset(&mut self, preset: &str, name: &str, defaults: Table) {
        if let Some(Part { make, .. }) = self.known.get(name) {
            let part = Part { name: name.to_string(), defaults, make: make.clone() };
            self.known.insert(preset.to_string(), part);
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// The part that a recipe names, whose settings are complete then; `key` is where it stands in the recipe.
    ///
    /// # Errors
    /// Nothing has the name; settings that it does not take.
    pub fn resolve(&self, key: &str, named: &mut Named) -> Result<T, RecipeError> {
        let Some(part) = self.known.get(&named.name) else {
            let known = self.names().map(String::from).collect();
            let (what, name) = (self.what, named.name.clone());
            return Err(RecipeError::Unknown { what, name, known });
        };
        let mut settings = part.defaults.clone();
        settings.extend(named.settings.clone());
        let wrong =
            |fault: Fault| RecipeError::Invalid { origin: String::new(), fault: fault.within(key) };
        let (made, settings) = (part.make)(settings).map_err(wrong)?;
        *named = Named { name: part.name.clone(), settings };
        Ok(made)
    }
}
