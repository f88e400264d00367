//! Medians over the rounds and ratios, as it goes into a JSON file.

use serde::Serialize;

use crate::{
    Settings,
    machine::Machine,
    rounds::Run,
    server::Subject,
    workload::{WORKLOADS, Workload},
};

/// First divided by second.
const RATIOS: [(Subject, Subject); 3] = [
    (Subject::Abide, Subject::Redb),
    (Subject::Abide, Subject::Bare),
    (Subject::Redb, Subject::Bare),
];

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) connections: u32,
    pub(crate) objects: u32,
    pub(crate) rounds: u32,
    pub(crate) measured_seconds: f64,
    pub(crate) warm_up_seconds: f64,
    pub(crate) rows: Vec<Row>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) runs: Vec<Run>,
}

/// One workload on one server.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) server: Subject,
    pub(crate) syncs_before_it_answers: bool,
    pub(crate) requests_per_second: Spread,
    /// The median of the rounds' medians.
    pub(crate) p50_us: u32,
    /// The median of the rounds' 99th percentiles.
    pub(crate) p99_us: u32,
    /// Of all rounds.
    pub(crate) errors: u64,
}

/// How many requests a second one server answers for one of another.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) workload: Workload,
    pub(crate) of: Subject,
    pub(crate) to: Subject,
    /// Of the quotients within each round: what slows a whole round cancels out.
    pub(crate) quotient: Spread,
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) smallest: f64,
    pub(crate) largest: f64,
}

impl Report {
    /// `runs` has each workload on each server in each round.
    pub(crate) fn new(settings: &Settings, machine: Machine, runs: Vec<Run>) -> Self {
        let mut rows = Vec::new();
        let mut ratios = Vec::new();
        for workload in WORKLOADS {
            let servers = settings.servers.iter();
            rows.extend(servers.filter_map(|server| row(&runs, workload, *server)));
            ratios.extend(RATIOS.iter().filter_map(|pair| ratio(&runs, workload, *pair)));
        }
        Self {
            machine,
            connections: settings.connections,
            objects: settings.objects,
            rounds: settings.rounds,
            measured_seconds: settings.seconds.as_secs_f64(),
            warm_up_seconds: settings.warm_up_seconds.as_secs_f64(),
            rows,
            ratios,
            runs,
        }
    }
}

impl Spread {
    /// None of nothing. Of an even number of figures the median is the larger of the middle two.
    fn over(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let median = *figures.get(figures.len() / 2)?;
        Some(Self { median, smallest: *figures.first()?, largest: *figures.last()? })
    }
}

/// In the order of the rounds.
fn runs_of(runs: &[Run], workload: Workload, server: Subject) -> impl Iterator<Item = &Run> {
    runs.iter().filter(move |run| run.workload == workload && run.server == server)
}

fn row(runs: &[Run], workload: Workload, server: Subject) -> Option<Row> {
    let runs = || runs_of(runs, workload, server);
    Some(Row {
        workload,
        server,
        syncs_before_it_answers: server.is_durable(),
        requests_per_second: Spread::over(runs().map(|run| run.outcome.requests_per_second))?,
        p50_us: median(runs().map(|run| run.outcome.p50_us))?,
        p99_us: median(runs().map(|run| run.outcome.p99_us))?,
        errors: runs().map(|run| run.outcome.errors).sum(),
    })
}

fn ratio(runs: &[Run], workload: Workload, (of, to): (Subject, Subject)) -> Option<Ratio> {
    let pairs = runs_of(runs, workload, of).zip(runs_of(runs, workload, to));
    let quotients =
        pairs.map(|(of, to)| of.outcome.requests_per_second / to.outcome.requests_per_second);
    Some(Ratio { workload, of, to, quotient: Spread::over(quotients)? })
}

fn median(values: impl Iterator<Item = u32>) -> Option<u32> {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_does_not_depend_on_the_order_of_rounds() {
        let spread = Spread { median: 2.0, smallest: 1.0, largest: 9.0 };
        assert_eq!(Spread::over([9.0, 1.0, 2.0].into_iter()), Some(spread));
        assert_eq!(Spread::over([1.0, 2.0, 9.0].into_iter()), Some(spread));
        assert_eq!(Spread::over(std::iter::empty()), None);
    }
}
