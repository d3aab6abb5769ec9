//! The end of a run: what was trained is scored and written.

use std::collections::BTreeMap;
use std::path::Path;

use taper_model::weights;

use crate::adapted;
use crate::calibrate::calibrate;
use crate::card::card;
use crate::data::Part;
use crate::error::RunnerError;
use crate::evaluate::{Evaluation, evaluate};
use crate::load::Loaded;
use crate::machine::this_machine;
use crate::others;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::recipe::Method;
use crate::report;
use crate::results::{calibration_of, parameter_counts, report_of};
use crate::seen;
use taper_run_folder::{
    LoadText, NetFacts, Results, RunFolder, Scores, StartFacts, Trained, write_whole,
};

/// Scores what was trained and writes the run's files, `metrics.json` after all that a run needs.
pub(crate) fn finish(
    plan: &Plan,
    folder: &RunFolder,
    loaded: Loaded,
    before: Scores,
    trained: Trained,
) -> Result<Outcome, RunnerError> {
    let recipe = &plan.recipe;
    let answer =
        |part: &Part| evaluate(&loaded.net, part, recipe.train.eval_batch_size, &plan.device);
    let validation = plan.data.validation.as_ref().map(answer).transpose()?;
    let mut config = plan.config.clone();
    if let Some(validation) = &validation {
        config.calibration = calibrate(&recipe.calibration, validation)?;
    }
    let temperature = config.calibration.map_or(1.0, |calibration| calibration.temperature);
    let evaluation = answer(&plan.data.test)?.tempered(temperature);
    let validation = validation.map(|validation| validation.tempered(temperature));

    match (&recipe.method, adapted::save(plan, folder, &loaded.params, metadata(plan))?) {
        (Method::Lora { .. }, None) => {}
        (_, merged) => {
            let params = merged.as_ref().unwrap_or(&loaded.params);
            weights::save(folder.model(), params, &metadata(plan))?;
            others::write(plan, &folder.transformers(), params)?;
        }
    }
    config.write(&folder.config())?;
    let results = Results {
        before,
        after: evaluation.scores()?,
        validation: validation.as_ref().map(Evaluation::scores).transpose()?,
        report: report_of(&evaluation)?,
        confusion: evaluation.confusion()?,
        calibration: calibration_of(&evaluation)?,
        evaluation_seconds: evaluation.seconds,
        trained,
        data: plan.data.results(),
        parameters: parameter_counts(&loaded.params),
        net: NetFacts {
            description: plan.net.description.to_string(),
            in_timm: plan.net.hub.is_some_and(|hub| hub.starts_with("timm/")),
            fixed_size: plan.net.patches.is_some(),
        },
        start: StartFacts {
            is_folder: Path::new(&recipe.model.weights).is_dir(),
            seen_data: plan.seen.clone(),
        },
        load_report: serde_json::to_value(&loaded.report).unwrap_or_default(),
        load_text: LoadText {
            summary: loaded.report.to_string(),
            tensors: format!("{:#}", loaded.report),
        },
        machine: this_machine(&plan.device),
    };
    write_whole(&folder.card(), card(plan, &results, &evaluation)?.as_bytes())?;
    results.write(folder)?;
    if recipe.log.report {
        report::write(folder, plan, &loaded.net, &evaluation)?;
    }
    Ok(Outcome {
        run: folder.path().to_path_buf(),
        results,
        evaluation: Some(evaluation),
        calibration: config.calibration,
    })
}

/// What the model file says of itself: no time, no path.
fn metadata(plan: &Plan) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([
        ("config".to_string(), plan.config.to_value()),
        ("seed".to_string(), plan.recipe.seed.into()),
        (seen::KEY.to_string(), plan.seen.clone().into()),
        ("taper_version".to_string(), plan.recipe.taper_version.clone().into()),
    ])
}
