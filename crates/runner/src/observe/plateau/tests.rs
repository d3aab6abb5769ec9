use taper_run_folder::{Metric, Scores};

use super::*;

fn epoch(loss: f64) -> Event {
    let scores = Scores {
        n: 1,
        loss,
        accuracy: 0.0,
        macro_precision: 0.0,
        macro_recall: 0.0,
        macro_f1: 0.0,
        own: Default::default(),
    };
    Event::Epoch(Epoch {
        epoch: 0,
        step: 0,
        loss: 0.0,
        learning_rate: 0.0,
        validation: Some(scores),
        seconds: 0.0,
        images_per_second: 0.0,
        data_wait: 0.0,
    })
}

/// The rate's factor after each epoch.
fn factors(recipe: PlateauRecipe, losses: &[f64], restored_at: usize) -> Vec<f64> {
    let mut plateau = Plateau::new(recipe.clone());
    let mut scale = 1.0;
    let mut factors = Vec::new();
    for (i, &loss) in losses.iter().enumerate() {
        if i == restored_at {
            let state = plateau.state().unwrap().unwrap();
            plateau = Plateau::new(recipe.clone());
            plateau.restore(&state).unwrap();
        }
        if let Verdict::ScaleRate(factor) = plateau.observe(&epoch(loss)).unwrap() {
            scale *= factor;
        }
        factors.push(scale);
    }
    factors
}

#[test]
fn the_rate_is_lowered_when_pytorch_lowers_it() {
    // torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2, threshold=0,
    // threshold_mode='abs', min_lr=0.2) from a rate of 1; torch 2.15.
    let recipe = PlateauRecipe {
        factor: 0.5,
        patience: 1,
        metric: Metric::LOSS,
        min_delta: 0.0,
        cooldown: 2,
        min_scale: 0.2,
    };
    let losses = [5.0, 4.0, 4.0, 4.0, 4.5, 3.9, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0];
    let expected = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2];
    for restored_at in 0..losses.len() {
        assert_eq!(factors(recipe.clone(), &losses, restored_at), expected, "{restored_at}");
    }
}
