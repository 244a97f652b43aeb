use std::{collections::VecDeque, fmt};

/// Older latencies are forgotten.
const MOST_SAMPLES: usize = 100_000;

/// What was received, and how late.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) received: u64,
    milliseconds: VecDeque<f64>,
}

impl Totals {
    /// Counts a change; one that was replayed says nothing about latency.
    pub(super) fn count(&mut self, milliseconds: Option<f64>) {
        self.received += 1;
        if let Some(sample) = milliseconds {
            if self.milliseconds.len() == MOST_SAMPLES {
                self.milliseconds.pop_front();
            }
            self.milliseconds.push_back(sample);
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}", self.received)?;
        let mut sorted: Vec<_> = self.milliseconds.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(max) = sorted.last() else {
            return Ok(());
        };
        let quantile = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        write!(
            f,
            ", latency p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn totals_name_the_middle_the_tail_and_the_worst() {
        let mut totals = Totals::default();
        assert_eq!(totals.to_string(), "received 0");
        (0..=100).for_each(|sample| totals.count(Some(f64::from(sample))));
        totals.count(None);
        assert_eq!(
            totals.to_string(),
            "received 102, latency p50 50.0 ms, p99 99.0 ms, max 100.0 ms"
        );
    }
}
