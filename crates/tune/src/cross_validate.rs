//! Cross-validation: every image of the training part answered by a model that was not trained on it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use taper_metrics::text::no_formula;
use taper_metrics::{
    McNemar, MetricsError, PairedTTest, corrected_paired_t_test, mcnemar, paired_t_test,
};
use taper_run_folder::{FolderLock, Metric, RunFolderError, Scores, write_json, write_whole};
use taper_runner::observe::Listener;
use taper_runner::{
    Evaluation, Existing, Plan, Recipe, Registry, RunnerError, open_run, scores, setting,
};

use crate::claims::each;
use crate::error::TuneError;
use crate::run::run_with_pages;

/// A recipe that takes part, by a name that is a folder's.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its recipe; `data.folds` and `data.fold` are set for each fold.
    pub recipe: Recipe,
}

/// The result of a cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossValidated {
    /// Number of folds.
    pub folds: usize,
    /// Images, each held out once.
    pub images: usize,
    /// The candidates in the order given.
    pub candidates: Vec<CandidateScores>,
    /// The first candidate against each other one, metric by metric.
    pub comparisons: Vec<Comparison>,
}

/// One candidate's scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CandidateScores {
    /// Its name.
    pub name: String,
    /// The scores on each fold.
    pub folds: Vec<Scores>,
    /// Each metric over the folds.
    pub metrics: Vec<Spread>,
    /// Where the answers to each image lie.
    pub out_of_fold: PathBuf,
}

/// A metric over the folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// Which.
    pub metric: Metric,
    /// Mean over the folds.
    pub mean: f64,
    /// Standard deviation over the folds, with k - 1.
    pub deviation: f64,
}

/// Two candidates on the same folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The first.
    pub first: String,
    /// The second.
    pub second: String,
    /// The metric that the t-tests are about.
    pub metric: Metric,
    /// Student's paired t-test over the folds; none where all differences are the same.
    pub t_test: Option<PairedTTest>,
    /// The same with Nadeau and Bengio's correction for the training data that folds share.
    pub corrected: Option<PairedTTest>,
    /// McNemar's exact test on which images each names right.
    pub mcnemar: McNemar,
}

/// The metrics that are reported, in this order; a program's own come behind them.
const METRICS: [&str; 5] = ["accuracy", "macro_f1", "macro_precision", "macro_recall", "loss"];

/// The metrics that candidates are compared by, and a program's own.
const TESTED: [&str; 3] = ["accuracy", "macro_f1", "loss"];

/// Metrics by these names, and behind them those of a program's own among the scores.
fn with_own(names: &[&'static str], folds: &[Scores]) -> Vec<Metric> {
    let own = folds.iter().take(1).flat_map(|scores| scores.own.keys().cloned()).map(Metric::new);
    names.iter().map(|&name| Metric::new(name)).chain(own).collect()
}

/// The answer to one image, by the model of the fold that held it out.
struct OutOfFold {
    index: usize,
    item: String,
    fold: usize,
    label: u32,
    predicted: u32,
    probabilities: Vec<f32>,
}

/// Cross-validates candidates on the same stratified folds of the training part; the held-out part
/// stays unseen. `listeners` gives those who follow a run, by candidate and fold.
///
/// Each fold is a run in `out/CANDIDATE/fold-N`, so that what is finished is not done again when
/// the call is repeated with [`Existing::Resume`], and what was left off goes on. Processes, also of several machines,
/// that are given the same folder share the runs. Images are decoded once for all folds. Beside the folds stands
/// `out-of-fold.csv`: each image with its probabilities.
///
/// # Errors
/// Fewer than two folds; candidates with the same name or other data; whatever a run reports.
pub fn cross_validate(
    candidates: &[Candidate],
    folds: usize,
    registry: &Registry,
    out: &Path,
    existing: Existing,
    mut listeners: impl FnMut(&str, usize) -> Vec<Box<dyn Listener>>,
) -> Result<CrossValidated, TuneError> {
    check(candidates, folds)?;
    let registry = registry.sharing();
    let all = candidates.iter().flat_map(|candidate| (0..folds).map(move |fold| (candidate, fold)));
    let all: Vec<(&Candidate, usize)> = all.collect();
    let runs: Vec<PathBuf> = all.iter().map(|(one, fold)| one.run(*fold, out)).collect();
    let mut answered = each(&runs, |place, claim| {
        let (candidate, fold) = all[place];
        let mut follow = listeners(&candidate.name, fold);
        follow.push(claim.listener());
        let plan = Plan::new(candidate.of_fold(fold, folds), &registry)?;
        let evaluation = answers(&plan, &runs[place], existing, &registry, follow)?;
        let mut held_out = Vec::new();
        collect(&plan, fold, &evaluation, &mut held_out);
        Ok((scores(&evaluation, &plan.metrics)?, held_out, evaluation.class_names))
    })?
    .into_iter();
    let mut all_scores = Vec::with_capacity(candidates.len());
    let mut right: Vec<Vec<bool>> = Vec::new();
    for Candidate { name, .. } in candidates {
        let (mut of_folds, mut held_out, mut class_names) = (Vec::new(), Vec::new(), Vec::new());
        for (scores, mut answers, names) in answered.by_ref().take(folds) {
            of_folds.push(scores);
            held_out.append(&mut answers);
            class_names = names;
        }
        held_out.sort_by_key(|held_out| held_out.index);
        let out_of_fold = out.join(name).join("out-of-fold.csv");
        let table = csv(&held_out, &class_names).map_err(RunFolderError::io(&out_of_fold))?;
        write_whole(&out_of_fold, &table)?;
        right.push(held_out.iter().map(|held_out| held_out.label == held_out.predicted).collect());
        let metrics = with_own(&METRICS, &of_folds);
        let metrics = metrics.into_iter().map(|metric| Spread::of(metric, &of_folds)).collect();
        all_scores.push(CandidateScores {
            name: name.clone(),
            folds: of_folds,
            metrics,
            out_of_fold,
        });
    }
    let mut comparisons = Vec::new();
    for second in 1..all_scores.len() {
        let mcnemar = mcnemar(&right[0], &right[second])?;
        for metric in with_own(&TESTED, &all_scores[0].folds) {
            comparisons.push(compare(&all_scores[0], &all_scores[second], metric, mcnemar)?);
        }
    }
    let images = right.first().map_or(0, Vec::len);
    Ok(CrossValidated { folds, images, candidates: all_scores, comparisons })
}

/// Does one fold, from 0, of each candidate in its folder; [`cross_validate`] finds it there. The runs.
///
/// # Errors
/// A fold that there is not; as [`cross_validate`].
pub fn cross_validate_fold(
    candidates: &[Candidate],
    (fold, folds): (usize, usize),
    registry: &Registry,
    out: &Path,
    mut listeners: impl FnMut(&str, usize) -> Vec<Box<dyn Listener>>,
) -> Result<Vec<PathBuf>, TuneError> {
    check(candidates, folds)?;
    if fold >= folds {
        return Err(setting("fold", fold, format!("below {folds}")).into());
    }
    let runs: Vec<PathBuf> = candidates.iter().map(|one| one.run(fold, out)).collect();
    each(&runs, |place, claim| {
        let candidate = &candidates[place];
        let mut follow = listeners(&candidate.name, fold);
        follow.push(claim.listener());
        let plan = Plan::new(candidate.of_fold(fold, folds), registry)?;
        let existing = Existing::Resume { force: false };
        run_with_pages(&plan, &FolderLock::take(&runs[place])?, existing, follow)?;
        Ok(())
    })?;
    Ok(runs)
}

impl Candidate {
    /// Its recipe on a fold.
    fn of_fold(&self, fold: usize, folds: usize) -> Recipe {
        let mut recipe = self.recipe.clone();
        (recipe.data.folds, recipe.data.fold) = (folds, fold);
        recipe
    }

    /// The folder of its run on a fold.
    fn run(&self, fold: usize, out: &Path) -> PathBuf {
        out.join(&self.name).join(format!("fold-{}", fold + 1))
    }
}

fn check(candidates: &[Candidate], folds: usize) -> Result<(), TuneError> {
    if folds < 2 {
        return Err(setting("folds", folds, "2 or more").into());
    }
    for (i, candidate) in candidates.iter().enumerate() {
        if candidates[..i].iter().any(|other| other.name == candidate.name) {
            return Err(setting("candidates", &candidate.name, "a name of its own for each").into());
        }
        if candidate.recipe.data != candidates[0].recipe.data {
            let found = format!("other for {} than for {}", candidate.name, candidates[0].name);
            return Err(setting("data", found, "the same for all that are compared").into());
        }
    }
    Ok(())
}

/// The answers on a fold: of a run that begins, that goes on, or that was finished before.
fn answers(
    plan: &Plan,
    folder: &Path,
    existing: Existing,
    registry: &Registry,
    listeners: Vec<Box<dyn Listener>>,
) -> Result<Evaluation, TuneError> {
    let outcome = run_with_pages(plan, &FolderLock::take(folder)?, existing, listeners)?;
    if let Some(evaluation) = outcome.evaluation {
        return Ok(evaluation);
    }
    let (classifier, recipe) = open_run(folder, &plan.device, registry)?;
    let batch_size = recipe.train.eval_batch_size;
    let evaluation = classifier.evaluate(&plan.data.test, batch_size, |_| {});
    Ok(evaluation.map_err(RunnerError::from)?)
}

fn collect(plan: &Plan, fold: usize, evaluation: &Evaluation, held_out: &mut Vec<OutOfFold>) {
    let part = &plan.data.test;
    let rows = evaluation.probabilities.chunks_exact(evaluation.num_classes());
    let answers = evaluation.predictions().into_iter().zip(&evaluation.labels).zip(rows);
    for (&index, ((predicted, &label), row)) in part.indices().iter().zip(answers) {
        let item = part.source().item_name(index);
        held_out.push(OutOfFold {
            index,
            item,
            fold,
            label,
            predicted,
            probabilities: row.to_vec(),
        });
    }
}

/// The images in the source's order, as RFC 4180 has it; no cell is a formula.
fn csv(held_out: &[OutOfFold], class_names: &[String]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = ["index", "item", "fold", "label", "predicted"].map(String::from);
    let names = class_names.iter().map(|name| format!("p({name})"));
    writer.write_record(columns.into_iter().chain(names))?;
    for OutOfFold { index, item, fold, label, predicted, probabilities } in held_out {
        let name = |class: u32| no_formula(&class_names[class as usize]).into_owned();
        let item = no_formula(item).into_owned();
        let fold = (fold + 1).to_string();
        let cells = [index.to_string(), item, fold, name(*label), name(*predicted)];
        let probabilities = probabilities.iter().map(ToString::to_string);
        writer.write_record(cells.into_iter().chain(probabilities))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

impl Spread {
    fn of(metric: Metric, folds: &[Scores]) -> Self {
        let values: Vec<f64> = folds.iter().map(|scores| metric.of(scores)).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Self { metric, mean, deviation: (squares / (n - 1.0)).sqrt() }
    }
}

fn compare(
    first: &CandidateScores,
    second: &CandidateScores,
    metric: Metric,
    mcnemar: McNemar,
) -> Result<Comparison, TuneError> {
    let values = |scores: &CandidateScores| -> Vec<f64> {
        scores.folds.iter().map(|fold| metric.of(fold)).collect()
    };
    let (a, b) = (values(first), values(second));
    let tested = |test: Result<PairedTTest, MetricsError>| match test {
        // A metric of a program's own may have no value in a fold.
        Err(MetricsError::NoVariance { .. } | MetricsError::NotFinite { .. }) => Ok(None),
        test => test.map(Some),
    };
    Ok(Comparison {
        first: first.name.clone(),
        second: second.name.clone(),
        metric,
        t_test: tested(paired_t_test(&a, &b))?,
        corrected: tested(corrected_paired_t_test(&a, &b, 1, a.len() - 1))?,
        mcnemar,
    })
}

impl CrossValidated {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TuneError> {
        Ok(write_json(path, self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_survive_the_table() {
        let held_out = [OutOfFold {
            index: 3,
            item: "a, \"b\".png".to_string(),
            fold: 0,
            label: 1,
            predicted: 0,
            probabilities: vec![0.75, 0.25],
        }];
        let names = ["cat".to_string(), "dog, wet".to_string()];
        assert_eq!(
            String::from_utf8(csv(&held_out, &names).unwrap()).unwrap(),
            "index,item,fold,label,predicted,p(cat),\"p(dog, wet)\"\n\
             3,\"a, \"\"b\"\".png\",1,\"dog, wet\",cat,0.75,0.25\n"
        );
        let names = ["=c0".to_string(), "-c1".to_string()];
        let text = String::from_utf8(csv(&held_out, &names).unwrap()).unwrap();
        assert!(text.ends_with(",'-c1,'=c0,0.75,0.25\n"), "{text}");
    }

    #[test]
    fn mean_and_deviation_are_those_of_a_sample() {
        let scores = |loss| Scores {
            n: 1,
            loss,
            accuracy: 1.0,
            macro_precision: 1.0,
            macro_recall: 1.0,
            macro_f1: 1.0,
            own: Default::default(),
        };
        let spread = Spread::of(Metric::LOSS, &[scores(1.0), scores(2.0), scores(3.0)]);
        assert_eq!((spread.mean, spread.deviation), (2.0, 1.0));
    }
}
