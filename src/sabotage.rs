//! Steps that a test can make the daemon leave out, to see that the tests notice.
//!
//! Compiled in with the feature `sabotage` alone, which nobody ships: without it nothing is ever left
//! out, and the question costs nothing.

/// A step that the promise rests on. [`Step::is_left_out`] asks at its place whether to skip it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Reading, after a lost connection, what was committed meanwhile.
    CatchUp,
    /// Keeping cursors behind changes that still wait for their window.
    HoldBack,
    /// Polling on, after arming the bell, until the writers that found it muted are over.
    DrainWait,
}

impl Step {
    /// Whether `PGBELL_SABOTAGE` names this step.
    #[cfg(feature = "sabotage")]
    pub fn is_left_out(self) -> bool {
        static LEFT_OUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let name = match self {
            Self::CatchUp => "catch_up",
            Self::HoldBack => "hold_back",
            Self::DrainWait => "drain_wait",
        };
        LEFT_OUT.get_or_init(|| std::env::var("PGBELL_SABOTAGE").unwrap_or_default()) == name
    }

    /// Never: this build leaves nothing out.
    #[cfg(not(feature = "sabotage"))]
    pub fn is_left_out(self) -> bool {
        false
    }
}
