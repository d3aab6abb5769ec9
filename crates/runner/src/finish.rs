//! The end of a run: what was trained is scored and written.

use std::collections::BTreeMap;
use std::path::Path;

use taper_dataset::Part;
use taper_dataset::split::Split;
use taper_model::nets::Net;
use taper_model::params::Params;
use taper_model::{lora, weights};
use taper_pretrained::{ModelConfig, TRAINED_ON, save_adapter, transformers_export};
use taper_run_folder::{
    LoadReportText, Metric, NetSummary, Results, RunFolder, Scores, StartingWeights,
    TrainingSummary, most_pairs, read_history, write_json,
};
use taper_untrusted::fenced;

use crate::calibrate::calibrate;
use crate::error::RunnerError;
use crate::load::Loaded;
use crate::machine::this_machine;
use crate::mistakes::record_mistakes;
use crate::observe::{Event, Listener, Verdicts, When, notify, show_scored, tell_working};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::recipe::{LoraMethod, Method, Recipe};
use crate::results::parameter_counts;
use crate::scores::{evaluate_told, judgement, scores};

/// What every process has a share in of [`finish`]: the answers on the parts that are validated and scored on.
pub(crate) fn answers(plan: &Plan, net: &Net) -> Result<(), RunnerError> {
    let validation = plan.data.validation.as_ref();
    validation.map(|part| evaluate_told(plan, net, part, "validates", &mut [])).transpose()?;
    let (split, part) = plan.data.scored();
    if validation.is_none() || split != Split::Validation {
        evaluate_told(plan, net, part, "evaluates", &mut [])?;
    }
    Ok(())
}

/// Scores what was trained and writes the run's files, `metrics.json` last.
pub(crate) fn finish(
    plan: &Plan,
    folder: &RunFolder,
    loaded: Loaded,
    before: Scores,
    trained: TrainingSummary,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Outcome, RunnerError> {
    let recipe = &plan.recipe;
    let mut answer =
        |part: &Part, what| evaluate_told(plan, &loaded.net, part, what, &mut *listeners);
    let validation = plan.data.validation.as_ref();
    let validation = validation.map(|part| answer(part, "validates")).transpose();
    let (mut config, mut warnings) = (plan.config.clone(), plan.warnings.clone());
    if let Ok(Some(validation)) = &validation {
        config.calibration = calibrate(&recipe.calibration, validation, &mut warnings);
    }
    warnings.extend(undefined(recipe, folder));
    // Whatever fails from here on, what was trained is there.
    save_weights(plan, &config, folder, &loaded.params)?;
    write_json(&folder.config(), &config.to_value())?;
    let validation = validation?;
    let temperature = config.calibration.map_or(1.0, |calibration| calibration.temperature);
    let (split, part) = plan.data.scored();
    let evaluation = match &validation {
        Some(validation) if split == Split::Validation => validation.clone(),
        _ => answer(part, "evaluates")?,
    };
    let evaluation = evaluation.tempered(temperature);
    let validation = validation.map(|validation| validation.tempered(temperature));
    let fresh = &warnings[plan.warnings.len()..];
    if !fresh.is_empty() {
        let _: Verdicts = notify(listeners, &Event::Warned { warnings: fresh.to_vec() })?;
    }

    let judged = judgement(&evaluation, &plan.metrics)?;
    let answers = (&evaluation, &judged.scores);
    let _: Verdicts = show_scored(listeners, When::After, plan, &loaded, answers)?;
    // A picture that cannot be made is no reason to lose the scores.
    let mistakes = recipe.log.report.then(|| {
        let done = |done, of| tell_working(listeners, "looks at mistakes", done, of);
        let record = || record_mistakes(folder, &loaded.net, part, &evaluation, &plan.device, done);
        fenced("what draws them", record)
            .and_then(|recorded| recorded.map_err(|error| error.to_string()))
    });
    let mistakes_error = mistakes.and_then(Result::err);
    let (pairs, most) = (judged.confusion.pairs().count(), most_pairs(config.num_classes));
    let mut confusion = judged.confusion;
    if pairs > most {
        confusion = confusion.most_frequent(most);
        warnings.push(format!(
            "metrics.json has the {most} most frequent of {pairs} pairs of a label and an answer, so that it can be \
             read again; the scores are of all"
        ));
    }
    let results = Results {
        before,
        after: judged.scores,
        validation: validation.as_ref().map(|v| scores(v, &plan.metrics)).transpose()?,
        extended: Some(judged.extended),
        report: judged.report,
        confusion,
        calibration: judged.calibration,
        evaluation_seconds: evaluation.seconds,
        trained,
        data: plan.data.results(),
        parameters: parameter_counts(&loaded.params),
        net: NetSummary {
            description: plan.net.description.to_string(),
            in_timm: plan.net.published.is_some_and(|published| published.hub.starts_with("timm/")),
            fixed_size: plan.net.patches.is_some(),
        },
        start: StartingWeights {
            is_folder: Path::new(&recipe.model.weights).is_dir(),
            seen_data: plan.trained_on.clone(),
        },
        load_report: serde_json::to_value(&loaded.report).unwrap_or_default(),
        load_text: LoadReportText {
            summary: loaded.report.to_string(),
            tensors: format!("{:#}", loaded.report),
        },
        mistakes_error,
        warnings,
        machine: this_machine(&plan.device),
    };
    results.write(folder)?;
    Ok(Outcome {
        run: folder.path().to_path_buf(),
        results,
        evaluation: Some(evaluation),
        notes: loaded.notes,
        calibration: config.calibration,
    })
}

/// Of each metric that steers the run, whether it was NaN in every epoch, so that it steered nothing.
fn undefined(recipe: &Recipe, folder: &RunFolder) -> Vec<String> {
    let Recipe { select, checkpoint, early_stopping, plateau, .. } = recipe;
    let watched = [
        (select.best || checkpoint.keep_best > 0, "select", &select.metric, "as the best"),
        (early_stopping.patience > 0, "early_stopping", &early_stopping.metric, "as better"),
        (plateau.factor < 1.0, "plateau", &plateau.metric, "as better"),
    ];
    let mut watched = watched.into_iter().filter(|(on, ..)| *on).peekable();
    if watched.peek().is_none() {
        return Vec::new();
    }
    // With a history that cannot be read there is nothing to compare; the report tells of it.
    let history = read_history(&folder.history()).unwrap_or_default();
    let scores: Vec<&Scores> = history
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch(epoch) => epoch.validation.as_ref(),
            _ => None,
        })
        .collect();
    let is_undefined = |metric: &Metric| {
        !scores.is_empty() && scores.iter().all(|scores| metric.of(scores).is_nan())
    };
    let found = watched.filter(|(_, _, metric, _)| is_undefined(metric));
    let told = |(_, key, metric, counts): (_, &str, &Metric, &str)| {
        format!(
            "`{key}.metric` is `{metric}`, which was undefined (NaN) in every epoch: none counted {counts}"
        )
    };
    found.map(told).collect()
}

/// Writes what was trained: an adapter, with `merge` the net with it merged; else the net, also as
/// transformers reads it where timm has not the same.
fn save_weights(
    plan: &Plan,
    config: &ModelConfig,
    folder: &RunFolder,
    params: &Params,
) -> Result<(), RunnerError> {
    let metadata = metadata(plan, config);
    let merged = match (&plan.recipe.method, &plan.weights.adapters) {
        (Method::Lora(LoraMethod { merge, .. }), Some(adapters)) => {
            let (lora, base) = (&adapters.lora, &plan.recipe.model.weights);
            save_adapter(folder.path(), params, lora, plan.net.head, base, metadata.clone())?;
            if !merge {
                return Ok(());
            }
            Some(lora::merge(params, lora)?)
        }
        _ => None,
    };
    let params = merged.as_ref().unwrap_or(params);
    weights::save(folder.model(), params, &metadata)?;
    let export = transformers_export(&plan.net, config, params, &folder.transformers())?;
    for (name, value) in export.into_iter().flatten() {
        write_json(&folder.transformers().join(name), &value)?;
    }
    Ok(())
}

/// What the model file says of itself: no time, no path.
fn metadata(plan: &Plan, config: &ModelConfig) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([
        ("config".to_string(), config.to_value()),
        ("seed".to_string(), plan.recipe.seed.into()),
        (TRAINED_ON.to_string(), plan.trained_on.clone().into()),
        ("taper_version".to_string(), plan.recipe.taper_version.clone().into()),
    ])
}
