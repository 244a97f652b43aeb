//! One run: everybody on stage, trouble, calm, judgement.

use super::{faults, play::Play, report::Report, scenario::Scenario, stage::Stage};

/// Runs `scenario` with daemons that leave out the step `sabotage`.
pub(crate) async fn run(scenario: Scenario, sabotage: Option<&str>) -> Report {
    let mut stage = Stage::set(&scenario, sabotage).await;
    let mut play = Play::begin(&scenario, &stage);
    faults::make_trouble(&mut stage, &scenario).await;
    play.calm_down();
    play.end(stage, scenario).await
}
