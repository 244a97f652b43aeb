//! One run: everybody on stage, trouble, calm, judgement.

use fastrand::Rng;
use tokio::time::Instant;

use super::{faults, play::Play, report::Report, scenario::Scenario, stage::Stage};

/// Runs `scenario` with daemons that leave out the step `sabotage`.
pub(crate) async fn run(scenario: Scenario, sabotage: Option<&str>) -> Report {
    let mut stage = Stage::set(&scenario, sabotage).await;
    let mut play = Play::begin(&scenario, &stage);
    let mut rng = Rng::with_seed(scenario.seed ^ 1);
    let end = Instant::now() + scenario.lasts;
    faults::make_trouble(&mut stage, &mut rng, &scenario.odds, end).await;
    play.calm_down();
    play.end(stage, scenario).await
}
