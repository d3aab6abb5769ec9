//! What is known by name, of one kind.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::UnitDeserializer;
use toml::Table;

use crate::error::RecipeError;
use crate::fault::{Fault, settings_of};
use crate::recipe::Named;

/// Makes one of its settings, and gives these complete.
type Make<T> = Arc<dyn Fn(Table) -> Result<(T, Table), Fault> + Send + Sync>;

/// What is known by name, of one kind: all update rules, for instance.
#[derive(Clone)]
pub(crate) struct Catalog<T> {
    what: &'static str,
    known: BTreeMap<String, Entry<T>>,
}

#[derive(Clone)]
struct Entry<T> {
    /// The name that a complete recipe has for it.
    name: String,
    /// What is set where the recipe does not.
    defaults: Table,
    make: Make<T>,
    /// Its type, by which another one under the same name is told.
    of: TypeId,
}

impl<T> Catalog<T> {
    /// None so far; `what` is their kind, for errors.
    pub fn new(what: &'static str) -> Self {
        Self { what, known: BTreeMap::new() }
    }

    /// Adds one whose settings are those of its type; `false` where another has the name, which stays.
    #[must_use]
    pub fn add<P: Serialize + DeserializeOwned + 'static>(
        &mut self,
        name: &str,
        part: impl Fn(P) -> T + Send + Sync + 'static,
    ) -> bool {
        let of = TypeId::of::<P>();
        let is_own = |known: &Entry<T>| known.name == name && known.of == of;
        if self.known.get(name).is_some_and(|known| !is_own(known)) {
            return false;
        }
        let make = move |settings: Table| {
            let given: Vec<String> = settings.keys().cloned().collect();
            // TOML has no word for a struct without fields.
            let unit = || P::deserialize(UnitDeserializer::<toml::de::Error>::new()).ok();
            let without = (size_of::<P>() == 0).then(unit).flatten();
            let is_unit = without.is_some();
            let read: P = without.map_or_else(|| settings_of(settings), Ok)?;
            let complete = match is_unit {
                true => Table::new(),
                false => Table::try_from(&read).map_err(|error| Fault::Text(error.to_string()))?,
            };
            if complete.contains_key("name") {
                let text = "a setting is called `name`, which is the part's own; call it otherwise";
                return Err(Fault::Text(text.to_string()));
            }
            // A type that passes over what it does not know.
            match given.into_iter().find(|key| !complete.contains_key(key)) {
                None => Ok((part(read), complete)),
                Some(key) => Err(Fault::Unknown { key, known: complete.keys().cloned().collect() }),
            }
        };
        let (name, defaults) = (name.to_string(), Table::new());
        let entry = Entry { name: name.clone(), defaults, make: Arc::new(make), of };
        self.known.insert(name, entry);
        true
    }

    /// Adds another name for one, with other defaults.
    pub fn add_preset(&mut self, preset: &str, name: &str, defaults: Table) {
        if let Some(Entry { make, of, .. }) = self.known.get(name) {
            let entry = Entry { name: name.to_string(), defaults, make: make.clone(), of: *of };
            self.known.insert(preset.to_string(), entry);
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// What a recipe names, whose settings are complete then; `key` is where it stands in the recipe.
    ///
    /// # Errors
    /// Nothing has the name; settings that it does not take.
    pub fn resolve(&self, key: &str, named: &mut Named) -> Result<T, RecipeError> {
        let Some(entry) = self.known.get(&named.name) else {
            let known = self.names().map(String::from).collect();
            let (what, name) = (self.what, named.name.clone());
            return Err(RecipeError::Unknown { what, name, known });
        };
        let mut settings = entry.defaults.clone();
        settings.extend(named.settings.clone());
        let wrong = |fault: Fault| RecipeError::Invalid { fault: fault.within(key) };
        let (made, settings) = (entry.make)(settings).map_err(wrong)?;
        *named = Named { name: entry.name.clone(), settings };
        Ok(made)
    }
}
