//! `cross-validate`: mean and deviation over folds, several recipes side by side.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use taper_metrics::text::{left, printable, shortened, width};
use taper_runner::{Existing, Metric, Recipe, Registry};
use taper_tune::{Candidate, Comparison, CrossValidated, cross_validate, cross_validate_fold};

use super::finetune;
use crate::first_contact::check_colours;
use crate::flags::{CrossValidateFlags, Output};
use crate::launch::{listeners, run_error, take_shared};
use crate::print::{print, print_json};
use crate::signals;

pub(super) fn run(flags: &CrossValidateFlags, output: Output, registry: &Registry) -> Result<()> {
    ensure!(flags.folds >= 2, "--folds is {}, expected 2 or more", flags.folds);
    if let Some(fold) = flags.fold {
        let folds = flags.folds;
        ensure!((1..=folds).contains(&fold), "--fold is {fold}, expected 1 to {folds}, of --folds");
    }
    let shared = &flags.finetune.recipe;
    let candidates = candidates(flags, output, registry)?;
    let (data, one) = (&candidates[0].recipe.data.source, flags.fold.is_some());
    let (out, _lock) = take_shared(shared, one, "cross-validate", data)?;
    signals::catch()?;
    let follow = |name: &str, fold: usize| {
        // An epoch's line has room for so much.
        listeners(&format!("{} fold {}", shortened(name, 12), fold + 1), output)
    };
    if let Some(fold) = flags.fold {
        let fold = (fold - 1, flags.folds);
        let runs =
            cross_validate_fold(&candidates, fold, registry, &out, follow).map_err(run_error)?;
        return match output.json {
            true => print_json(&serde_json::json!({ "runs": runs })),
            false => {
                print(&runs.iter().map(|run| format!("{}\n", run.display())).collect::<String>())
            }
        };
    }
    let existing = Existing::Resume { force: false };
    let result = cross_validate(&candidates, flags.folds, registry, &out, existing, follow)
        .map_err(run_error)?;
    let path = out.join("cross-validation.json");
    result.write(&path)?;
    match output.json {
        true => print_json(&serde_json::to_value(&result)?),
        false => print(&text(&result, &path)?),
    }
}

fn candidates(
    flags: &CrossValidateFlags,
    output: Output,
    registry: &Registry,
) -> Result<Vec<Candidate>> {
    let name = |base: Option<&str>, recipe: &Recipe| match base {
        Some(base) => Path::new(base)
            .file_stem()
            .map_or(base.to_string(), |stem| stem.to_string_lossy().into_owned()),
        None => recipe.model.net.clone(),
    };
    let (base, recipe) = finetune::recipe_of(&flags.finetune, &[], output, registry)?;
    let mut candidates = vec![Candidate { name: name(base.as_deref(), &recipe), recipe }];
    let overrides = flags.finetune.overrides();
    for other in &flags.against {
        let recipe = finetune::recipe(&flags.finetune, Some(other), &overrides, registry)?;
        check_colours(&recipe, Some(other), &overrides, registry)?;
        candidates.push(Candidate { name: name(Some(other), &recipe), recipe });
    }
    Ok(candidates)
}

fn text(result: &CrossValidated, path: &Path) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{} folds, {} images, each held out once; mean ± standard deviation over the folds\n",
        result.folds, result.images
    )?;
    let names = || result.candidates.iter().map(|candidate| printable(&candidate.name));
    let columns = names().map(|name| width(&name)).max().unwrap_or(0).max("candidate".len());
    text += &left("candidate", columns);
    let spreads = result.candidates.first().map_or(&[][..], |candidate| &candidate.metrics);
    for spread in spreads {
        write!(text, "{:>19}", spread.metric.to_string())?;
    }
    writeln!(text)?;
    for (candidate, name) in result.candidates.iter().zip(names()) {
        text += &left(&name, columns);
        for spread in &candidate.metrics {
            write!(text, "{:>19}", format!("{:.4} ± {:.4}", spread.mean, spread.deviation))?;
        }
        writeln!(text)?;
    }
    writeln!(text, "\nAccuracy by fold")?;
    for (candidate, name) in result.candidates.iter().zip(names()) {
        text += &left(&name, columns);
        for fold in &candidate.folds {
            write!(text, "{:>9.4}", Metric::ACCURACY.of(fold))?;
        }
        writeln!(text)?;
    }
    comparisons(&mut text, &result.comparisons)?;
    for candidate in &result.candidates {
        writeln!(text, "\nAnswers   {}", candidate.out_of_fold.display())?;
    }
    writeln!(text, "Result    {}", path.display())?;
    Ok(text)
}

fn comparisons(text: &mut String, comparisons: &[Comparison]) -> Result<()> {
    let mut pair = None;
    for comparison in comparisons {
        let Comparison { first, second, metric, t_test, corrected, mcnemar } = comparison;
        if pair != Some((first, second)) {
            pair = Some((first, second));
            writeln!(
                text,
                "\n{first} against {second}: right alone {} and {} times, McNemar's exact test p = {:.4}",
                mcnemar.only_first, mcnemar.only_second, mcnemar.p_value
            )?;
        }
        match (t_test, corrected) {
            (Some(plain), Some(corrected)) => writeln!(
                text,
                "  {:<16}{:>+9.4}  paired t-test p = {:.4}, corrected for shared training data p = {:.4}",
                metric.to_string(),
                plain.mean_difference,
                plain.p_value,
                corrected.p_value
            )?,
            _ => writeln!(text, "  {:<16}the same difference on every fold", metric.to_string())?,
        }
    }
    Ok(())
}
