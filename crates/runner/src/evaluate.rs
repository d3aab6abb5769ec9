//! A finished model opened again, and evaluated on labelled images.

use std::path::Path;

use candle_core::Device;
use taper_classifier::{Classifier, Evaluation};
use taper_dataset::Part;
use taper_dataset::source::{class_number, class_places};
use taper_dataset::split::{Split, per_class};
use taper_pretrained::{match_classes, shortened};
use taper_run_folder::{DataResults, RunFolder};

use crate::contamination;
use crate::data::{Data, UNREADABLE, look_for_broken, spread};
use crate::error::{DataError, RunnerError, setting};
use crate::recipe::{BrokenImages, DataRecipe, Recipe, read_resolved};
use crate::registry::Registry;

/// Opens the model of a run, to compute on a device, and the run's recipe.
///
/// # Errors
/// The folder holds no finished run, or its files are not what they should be.
pub fn open_run(
    run: &Path,
    device: &Device,
    registry: &Registry,
) -> Result<(Classifier, Recipe), RunnerError> {
    let folder = RunFolder::open(run)?;
    let recipe = read_resolved(&folder.recipe())?;
    Ok((Classifier::open_path(run, device, &registry.models)?, recipe))
}

/// What a model is evaluated on.
#[derive(Debug, Clone, Default)]
pub struct EvaluationSet {
    /// Keys of the recipe and their values. Of these `data.source` names the data, in place of the run's own;
    /// `data.classes`, `data.limit` and `data.per_class` say which images of each of the chosen parts are taken.
    pub overrides: Vec<(String, String)>,
    /// Which parts. Default: what is held out.
    pub parts: EvaluationParts,
    /// What the run was trained on, by its `metrics.json`: its own data is found by it from any folder, and what
    /// has come or gone since is a warning.
    pub trained_on: Option<DataResults>,
}

/// The parts of the data that a model is evaluated on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EvaluationParts {
    /// The test part; where there is none the validation part; where there is neither, all of it.
    #[default]
    HeldOut,
    /// One part.
    One(Split),
    /// Everything.
    All,
}

/// What came of an evaluation.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The data in words: its parts, what was left out, which of the model's classes have no image.
    pub data: String,
    /// What may make the scores worthless.
    pub warnings: Vec<String>,
    /// The answers.
    pub evaluation: Evaluation,
}

/// Scores a model, and the run that it is of, if it is of one. `progress` is told how many images of how many
/// of a part are done.
///
/// The run's own data, by name or path, is divided as the run divided it. Of other data nothing was trained
/// on: it counts whole unless it brings parts of its own, and no setting of the run's table `data` holds
/// for it. Images of parts that are not asked for are not opened.
///
/// The classes of the data are found among the model's by [`match_classes`]; classes of the model
/// may be missing in the data.
///
/// # Errors
/// Data that cannot be read, that has classes which the model does not have, or that the model was trained on.
pub fn evaluate_on(
    classifier: &Classifier,
    run: Option<&Recipe>,
    set: &EvaluationSet,
    registry: &Registry,
    mut progress: impl FnMut(usize, usize),
) -> Result<Evaluated, RunnerError> {
    let (mut recipe, wanted, is_own) = set.recipe(run, registry)?;
    contamination::check(&classifier.trained_on, &recipe.data.source)?;
    recipe.image.set(&classifier.config.preprocessing);
    // Every image is looked at once, and those of other parts never.
    recipe.data.cache_mib = 0;
    recipe.augment = Default::default();
    let skips =
        std::mem::replace(&mut recipe.data.broken, BrokenImages::Stop) == BrokenImages::Skip;
    let mut data = Data::open(&recipe, registry)?;
    let (parts, which) = chosen(&data, set.parts)?;
    let trained_on = set.trained_on.as_ref().filter(|_| is_own);
    let mut warnings: Vec<String> =
        trained_on.and_then(|before| changed(before, &data.results())).into_iter().collect();
    let (mut by_number, mut faults) = (None, Vec::new());
    let mut all: Option<Evaluation> = None;
    for part in parts {
        let (part, warning) = with_classes_of(classifier, part, &wanted, &data.name)?;
        by_number = by_number.or(warning);
        let part = if skips { readable(part, &mut faults, registry)? } else { part };
        if part.is_empty() {
            continue;
        }
        let done = |images| progress(images, part.len());
        let some = classifier.evaluate(&part, recipe.train.eval_batch_size, done)?;
        match &mut all {
            None => all = Some(some),
            Some(all) => all.append(some),
        }
    }
    let none = || {
        let classes = match wanted.classes.is_empty() {
            true => shortened(&classifier.config.label_names),
            false => wanted.classes.join(", "),
        };
        DataError::NoImages { data: data.name.clone(), classes }
    };
    let evaluation = all.ok_or_else(none)?;
    data.left_out.add(UNREADABLE, faults.len());
    warnings.extend(left_out(&faults));
    let mut described = match is_own {
        true => data.describe(),
        false => describe(&data, which, evaluation.labels.len()),
    };
    if let Some(warning) = by_number {
        described += "; classes matched by number alone";
        warnings.push(warning);
    }
    described += &missing(&evaluation, &wanted);
    Ok(Evaluated { data: described, warnings, evaluation })
}

/// A part without its images that cannot be read; why not is added to `faults`.
fn readable(
    part: Part,
    faults: &mut Vec<String>,
    registry: &Registry,
) -> Result<Part, RunnerError> {
    let broken = look_for_broken(part.shared_source(), part.indices(), registry)?;
    let part = part.without(|index| broken.contains_key(&index));
    faults.extend(broken.into_values());
    Ok(part)
}

/// The warning where images cannot be read.
fn left_out(faults: &[String]) -> Option<String> {
    let (some, more) = faults.split_at(faults.len().min(LISTED));
    let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
    let count = faults.len();
    (count > 0).then(|| {
        format!("{count} images cannot be read and are left out: {}{more}", some.join("; "))
    })
}

/// How many images that cannot be read are told of.
const LISTED: usize = 5;

/// Data that is none of a run's, in words.
fn describe(data: &Data, part: &str, images: usize) -> String {
    let part = if part.is_empty() { String::new() } else { format!(" of its {part} part") };
    let left_out = data.left_out.tail();
    let classes = data.train.class_names().len();
    format!("{}: {classes} classes, {images} images{part}{left_out}", data.name)
}

impl EvaluationSet {
    /// The recipe by which the data is opened, which of its images are wanted, and whether it is the run's own.
    fn recipe(
        &self,
        run: Option<&Recipe>,
        registry: &Registry,
    ) -> Result<(Recipe, DataRecipe, bool), RunnerError> {
        let wanted = Recipe::default().with(&self.overrides)?.data;
        let chosen = ["data.source", "data.classes", "data.limit", "data.per_class"];
        let is_chosen = |key: &str| chosen.contains(&key);
        let rest: Vec<_> =
            self.overrides.iter().filter(|(key, _)| !is_chosen(key)).cloned().collect();
        let is_named = self.overrides.iter().any(|(key, _)| key == "data.source");
        let mut recipe = run.cloned().unwrap_or_default();
        let path = self.trained_on.as_ref().and_then(|data| data.path.as_deref());
        let path = path.filter(|path| path.exists());
        let is_own = |run: &Recipe| match (path, registry.path_of(&wanted.source)) {
            _ if !is_named => true,
            // A path that is not from the root may be another folder's here.
            (Some(path), Some(named)) => named == path,
            _ => is_same(&wanted.source, &run.data.source),
        };
        let is_own = run.is_some_and(is_own);
        if let (true, Some(path)) = (is_own, path)
            && registry.path_of(&recipe.data.source).as_deref() != Some(path)
        {
            recipe.data.source = path.to_string_lossy().into_owned();
        }
        if !is_own {
            recipe.data = DataRecipe {
                source: wanted.source.clone(),
                test_fraction: 0.0,
                validation_fraction: 0.0,
                ..DataRecipe::default()
            };
        }
        Ok((recipe.with(&rest)?, wanted, is_own))
    }
}

/// The warning where the run's own data is not what the run had. Images that the run left out because they cannot be
/// read are still there.
fn changed(before: &DataResults, now: &DataResults) -> Option<String> {
    if before.left_out.contains_key(UNREADABLE) && before.unreadable.is_empty() {
        return None; // a run of before, which did not say where they were
    }
    let classes = |data: &DataResults| {
        let mut parts = [data.train.clone(), data.validation.clone(), data.test.clone()];
        for (part, counts) in parts.iter_mut().enumerate() {
            counts.iter_mut().zip(&data.unreadable).for_each(|(count, more)| *count += more[part]);
        }
        (data.class_names.clone(), parts)
    };
    let told = |[train, validation, test]: &[Vec<usize>; 3]| {
        let count = |part: &[usize]| part.iter().sum::<usize>();
        let (train, validation) = (count(train), count(validation));
        format!("{train} to train on, {validation} for validation, {} held out", count(test))
    };
    let (before, now) = (classes(before), classes(now));
    (before != now).then(|| {
        format!(
            "the run's data is not what it was: the run had {}, and now there are {}; images were added or removed \
             since, so it is divided otherwise, and the held-out part may hold images that were trained on",
            told(&before.1),
            told(&now.1)
        )
    })
}

/// Whether a name or path of data leads to that of a run; a data set of the Hub is the run's in the version
/// that the run had.
fn is_same(named: &str, run: &str) -> bool {
    let path = |name: &str| std::fs::canonicalize(name).ok();
    let version = |rest: &str| rest.starts_with('@') && named.starts_with("hub:");
    named == run
        || run.strip_prefix(named).is_some_and(version)
        || path(named).is_some_and(|named| path(run) == Some(named))
}

/// The parts of the data to evaluate on, and the name of the one part of several.
fn chosen(data: &Data, wanted: EvaluationParts) -> Result<(Vec<&Part>, &'static str), RunnerError> {
    let parts = [
        (Split::Test, "test", Some(&data.test)),
        (Split::Validation, "validation", data.validation.as_ref()),
        (Split::Train, "training", Some(&data.train)),
    ];
    let there = parts.into_iter().filter_map(|(split, name, part)| Some((split, name, part?)));
    let there: Vec<_> = there.filter(|(.., part)| !part.is_empty()).collect();
    let name = |name| if there.len() > 1 { name } else { "" };
    match wanted {
        EvaluationParts::All => {
            // In the order of training, validation, test.
            Ok((there.iter().rev().map(|(.., part)| *part).collect(), ""))
        }
        EvaluationParts::HeldOut => {
            let first = there.first().map(|(_, part_name, part)| (vec![*part], name(*part_name)));
            Ok(first.unwrap_or_default())
        }
        EvaluationParts::One(split) => {
            let found = there.iter().find(|(of, ..)| *of == split);
            let found = found.map(|(_, part_name, part)| (vec![*part], name(*part_name)));
            found.ok_or_else(|| {
                let there: Vec<_> = match &there[..] {
                    [(Split::Train, _, part)] => vec![format!("{} images in one part", part.len())],
                    some => some
                        .iter()
                        .map(|(_, name, p)| format!("{} {name} images", p.len()))
                        .collect(),
                };
                let missing = parts.iter().find(|(of, ..)| *of == split).map_or("", |part| part.1);
                let found = there.join(" and ");
                DataError::NoPart { data: data.name.clone(), part: missing, found }.into()
            })
        }
    }
}

/// The wanted images of a part, by the model's classes; and a warning where these are known by number alone.
fn with_classes_of(
    classifier: &Classifier,
    part: &Part,
    wanted: &DataRecipe,
    data: &str,
) -> Result<(Part, Option<String>), RunnerError> {
    let (found, model) = (part.class_names(), &classifier.config.label_names);
    let classes = match_classes(found, model);
    let taken = taken(&wanted.classes, found, model)?;
    let labels = part.labels();
    let mut items = Vec::with_capacity(labels.len());
    let mut unknown = vec![false; found.len()];
    for (place, &label) in labels.iter().enumerate() {
        match classes.places[label as usize] {
            Some(class) if taken.of_model[class] || taken.of_data[label as usize] => {
                items.push((place, class as u32));
            }
            None if taken.all || taken.of_data[label as usize] => unknown[label as usize] = true,
            _ => {}
        }
    }
    let names = |which: &dyn Fn(usize) -> bool| -> Vec<String> {
        (0..found.len()).filter(|class| which(*class)).map(|class| found[class].clone()).collect()
    };
    let unknown = names(&|class| unknown[class]);
    if !unknown.is_empty() {
        let known = names(&|class| classes.places[class].is_some());
        let alike = alike(&unknown, model).map(Box::new);
        let data = data.to_string();
        return Err(match known.is_empty() {
            true => DataError::OtherClasses {
                data,
                found: shortened(found),
                expected: shortened(model),
                alike,
            },
            false => {
                DataError::UnknownClasses { data, unknown, known, model: model.clone(), alike }
            }
        }
        .into());
    }
    if wanted.per_class > 0 {
        let labels: Vec<u32> = items.iter().map(|(_, class)| *class).collect();
        let kept = per_class(&labels, wanted.per_class, wanted.draw_seed);
        items = kept.into_iter().map(|place| items[place]).collect();
    }
    if wanted.limit > 0 {
        spread(&mut items, wanted.limit);
    }
    // Where the model has numbers alone, the data has the names.
    let is_unnamed = classes.by_number && model.iter().all(|name| class_number(name).is_some());
    let names = if is_unnamed { found } else { model };
    let is_whole = items.iter().copied().eq((0..).zip(labels.iter().copied())) && found == names;
    let warning = classes.warning(found, model);
    Ok((if is_whole { part.clone() } else { part.relabelled(&items, names) }, warning))
}

/// Which classes are wanted.
struct Taken {
    all: bool,
    of_model: Vec<bool>,
    of_data: Vec<bool>,
}

/// The classes that are named, by the model's names or the data's.
fn taken(wanted: &[String], data: &[String], model: &[String]) -> Result<Taken, RunnerError> {
    let all = wanted.is_empty();
    let (in_model, in_data) = (class_places(wanted, model), class_places(wanted, data));
    let unknown = wanted.iter().zip(in_model.iter().zip(&in_data));
    if let Some((name, _)) = unknown.into_iter().find(|(_, places)| *places == (&None, &None)) {
        let expected = format!("classes of the data or the model, such as {}", shortened(model));
        return Err(setting("data.classes", name, expected));
    }
    let flags = |count: usize, places: &[Option<usize>]| {
        let mut flags = vec![all; count];
        places.iter().flatten().for_each(|&place| flags[place] = true);
        flags
    };
    Ok(Taken { all, of_model: flags(model.len(), &in_model), of_data: flags(data.len(), &in_data) })
}

/// One of these classes and one of the model's whose letters and digits are the same, as `Hot dog` and `hot_dog`.
fn alike(classes: &[String], model: &[String]) -> Option<(String, String)> {
    let letters = |name: &String| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let of = |name: &String| {
        let known = model.iter().find(|known| letters(known) == letters(name))?;
        Some((name.clone(), known.clone()))
    };
    classes.iter().find_map(of)
}

/// Which of the wanted classes have no image, in words.
fn missing(evaluation: &Evaluation, wanted: &DataRecipe) -> String {
    let mut is_there = vec![false; evaluation.num_classes()];
    evaluation.labels.iter().for_each(|&label| is_there[label as usize] = true);
    let names = evaluation.class_names.iter().zip(is_there);
    let missing: Vec<String> =
        names.filter(|(_, is_there)| !is_there).map(|(name, _)| name.clone()).collect();
    match (missing.len(), wanted.classes.is_empty()) {
        (0, _) => String::new(),
        (_, false) => format!("; classes {} alone", wanted.classes.join(", ")),
        (count, true) => format!(
            "; no image of {count} of the model's {} classes ({})",
            evaluation.num_classes(),
            shortened(&missing)
        ),
    }
}
