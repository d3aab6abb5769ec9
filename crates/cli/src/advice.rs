//! What to do about an error in the words of the command line: flags, and the name that was meant.

use taper_classifier::ClassifierError;
use taper_dataset::source::NAMED;
use taper_pretrained::PretrainedError;
use taper_runner::{
    DataError, Fault, RecipeError, ResumeError, RunFolderError, RunnerError, TrainingError, keys,
};

use crate::flags::flag_of;

/// What an error's message is followed by; often nothing.
pub(crate) fn of(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref() {
        return of_run(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_folder(error);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ClassifierError::Pretrained(error)), _) | (_, Some(error)) => of_pretrained(error),
        _ => String::new(),
    }
}

fn of_folder(error: &RunFolderError) -> String {
    match error {
        RunFolderError::RunExists(_) => " with --overwrite".to_string(),
        _ => String::new(),
    }
}

fn of_run(error: &RunnerError) -> String {
    match error {
        RunnerError::Recipe(error) => of_recipe(error),
        RunnerError::Pretrained(error)
        | RunnerError::Classifier(ClassifierError::Pretrained(error)) => of_pretrained(error),
        RunnerError::Dataset(taper_dataset::Error::NoClass { .. }) => by_flag("data.classes"),
        RunnerError::Dataset(taper_dataset::Error::NotFound { path }) => {
            meant(&path.to_string_lossy(), data_names())
        }
        RunnerError::Data(DataError::NotFound { error, own }) => match &**error {
            taper_dataset::Error::NotFound { path } => {
                meant(&path.to_string_lossy(), data_names().chain(strings(own)))
            }
            _ => String::new(),
        },
        RunnerError::Data(DataError::UnknownClasses { known, .. }) => match known.len() {
            0..=10 => format!(" (--classes {})", known.join(",")),
            _ => " (--classes NAME,NAME)".to_string(),
        },
        RunnerError::Data(DataError::NoPart { .. }) => "; --part says which is meant".to_string(),
        RunnerError::Folder(error) => of_folder(error),
        RunnerError::Resume(ResumeError::Save { last: Some(path), .. })
        | RunnerError::Training(
            TrainingError::NotFinite { checkpoint: Some(path), .. }
            | TrainingError::Suspended { checkpoint: Some(path), .. },
        ) => {
            let run = path.ancestors().nth(2).unwrap_or(path);
            format!(" with `resume {}`", run.display())
        }
        RunnerError::Resume(ResumeError::NoneWhole { .. }) => " with --overwrite".to_string(),
        RunnerError::Resume(ResumeError::NoEpochLeft { .. }) => by_flag("train.epochs"),
        RunnerError::Resume(ResumeError::NoStepLeft { .. }) => by_flag("train.max_steps"),
        RunnerError::Resume(ResumeError::Differs { .. }) => "; --force resumes anyway".to_string(),
        _ => String::new(),
    }
}

fn of_recipe(error: &RecipeError) -> String {
    match error {
        RecipeError::Unknown { name, known, .. } => meant(name, strings(known)),
        RecipeError::Setting { key, .. } => by_flag(key),
        RecipeError::Invalid { fault } => of_fault(fault),
        RecipeError::In { error, .. } => error.downcast_ref().map_or(String::new(), of_run),
        _ => String::new(),
    }
}

/// The names of data that comes with Taper.
fn data_names<'a>() -> impl Iterator<Item = &'a str> {
    NAMED.iter().map(|named| named.name).chain(["digits", "mnist-sample"])
}

fn of_pretrained(error: &PretrainedError) -> String {
    match error {
        PretrainedError::Unknown { name, known, .. } => meant(name, strings(known)),
        PretrainedError::NoSuchWeights { path, known } => {
            meant(&path.to_string_lossy(), strings(known))
        }
        PretrainedError::NoNet { likely, .. } => {
            let (net, map) = likely.first().map_or(("NET", None), |one| (one.net, one.key_map));
            format!(
                " (--net {net}{})",
                map.map_or(String::new(), |map| format!(" --set model.key_map={map}"))
            )
        }
        _ => String::new(),
    }
}

/// Which key of the recipe was meant.
pub(crate) fn meant_key(name: &str) -> String {
    let known = || keys().iter().map(|key| key.name.as_str());
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let elsewhere: Vec<_> =
        known().filter(|key| last(key) == last(name)).map(|key| format!("`{key}`")).collect();
    match elsewhere.is_empty() {
        true => meant(name, known()),
        false => format!("; did you mean {}?", elsewhere.join(" or ")),
    }
}

/// The flag that sets a key, if there is one.
fn by_flag(key: &str) -> String {
    flag_of(key).map_or(String::new(), |flag| format!(" (--{flag})"))
}

/// The key that was meant by the one that there is not; the flag of one whose value is none.
fn of_fault(fault: &Fault) -> String {
    let (key, known) = match fault {
        Fault::Unknown { key, known } => (key, known),
        Fault::Value { key, .. } => return by_flag(key),
        _ => return String::new(),
    };
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let names: Vec<String> = known.iter().map(|key| last(key)).collect();
    match nearest(&last(key), names.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean `{}{name}`?", &key[..key.len() - last(key).len()]),
        // A key of another method, rule or schedule.
        None if keys().iter().any(|known| known.name == *key) => String::new(),
        None => meant_key(key),
    }
}

/// Which of the known names was meant.
fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or(String::new(), |known| format!("; did you mean `{known}`?"))
}

/// The known name that is a slip of the finger away, or the only one that begins so.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().filter(|known| !known.is_empty()).collect();
    let off = |known: &&str| strsim::osa_distance(name, known);
    let near = known.iter().copied().filter(|known| 3 * off(known) <= known.chars().count());
    near.min_by_key(off).or_else(|| {
        let mut longer = known.iter().copied().filter(|known| known.starts_with(name));
        longer.next().filter(|_| longer.next().is_none() && !name.is_empty())
    })
}

/// The names without what is said of them behind.
fn strings(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().filter_map(|name| name.split(' ').next())
}

#[cfg(test)]
mod tests {
    use taper_pretrained::LikelyNet;

    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_put_right() {
        let known = ["lenet5", "mlp", "resnet18", "resnet34"];
        assert_eq!(nearest("rasnet18", known), Some("resnet18"));
        assert_eq!(nearest("resnte34", known), Some("resnet34"));
        assert_eq!(nearest("Lenet5", known), Some("lenet5"));
        assert_eq!(nearest("transformer", known), None);
    }

    #[test]
    fn the_only_name_that_begins_so_is_meant() {
        let known = ["keras-mnist", "fast-mnist"];
        assert_eq!(nearest("keras", known), Some("keras-mnist"));
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("resnet", ["resnet18-d", "resnet50-d"]), None);
    }

    #[test]
    fn a_key_is_found_where_it_lives() {
        assert_eq!(meant_key("epochs"), "; did you mean `train.epochs`?");
        assert_eq!(meant_key("trian.epoch"), "; did you mean `train.epochs`?");
        let unknown = |key: &str, known: &[&str]| {
            let known = known.iter().map(ToString::to_string).collect();
            of_fault(&Fault::Unknown { key: key.to_string(), known })
        };
        let known = ["train.epochs", "train.batch_size"];
        assert_eq!(unknown("train.epoch", &known), "; did you mean `train.epochs`?");
        assert_eq!(unknown("epochs", &["seed", "data"]), "; did you mean `train.epochs`?");
    }

    #[test]
    fn an_error_is_followed_by_the_flag_that_helps() {
        let told = |error: RunnerError| {
            let error = anyhow::Error::new(error);
            format!("{error}{}", of(&error))
        };
        let path = || std::path::PathBuf::from("runs/a");
        assert_eq!(
            told(RunnerError::Folder(RunFolderError::RunExists(path()))),
            "runs/a holds a run already; choose another folder or overwrite it with --overwrite"
        );
        assert_eq!(
            told(ResumeError::Differs { path: path(), differences: Vec::new() }.into()),
            "runs/a cannot resume exactly: ; --force resumes anyway"
        );
        assert_eq!(
            told(ResumeError::NoEpochLeft { path: path(), epochs: 3 }.into()),
            "runs/a is finished after 3 epochs; set `train.epochs` higher to train on (--epochs)"
        );
        let (weights, silence) = ("a.pth".to_string(), "no config.json".to_string());
        let likely = vec![LikelyNet { net: "resnet18", key_map: Some("transformers") }];
        assert_eq!(
            told(PretrainedError::NoNet { weights, silence, likely }.into()),
            "nothing says what net a.pth is of (no config.json); set `model.net`: its names are like those of \
             `resnet18` (`model.key_map` = `transformers`) (--net resnet18 --set model.key_map=transformers)"
        );
        let (path, known) = ("keras-cnn-mnits".into(), vec!["keras-cnn-mnist".to_string()]);
        let checkpoint = Some("runs/a/checkpoints/step-1.safetensors".into());
        let suspended = TrainingError::Suspended { reason: "SIGINT".into(), step: 1, checkpoint };
        assert_eq!(
            told(suspended.into()),
            "SIGINT after step 1; go on from runs/a/checkpoints/step-1.safetensors with `resume runs/a`"
        );
        let told = told(PretrainedError::NoSuchWeights { path, known }.into());
        assert!(told.ends_with("; did you mean `keras-cnn-mnist`?"), "{told}");
    }
}
