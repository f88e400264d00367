//! The load generator: a process of its own, one thread, a closed loop on every connection.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::timeout_at};

use crate::{
    http::{self, Connection},
    workload::Workload,
};

/// How long requests may take that are under way when the time is up.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The server.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    #[arg(long, value_enum)]
    pub(crate) workload: Workload,
    #[arg(long)]
    pub(crate) objects: u32,
    #[arg(long)]
    pub(crate) connections: u32,
    #[arg(long)]
    pub(crate) warm_up_ms: u64,
    #[arg(long)]
    pub(crate) measured_ms: u64,
}

/// What came of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Answers with status 200 within the measured time.
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    /// Answers with status 200 from the first request to the last, warm-up included.
    pub(crate) answered: u64,
    /// Answers with any other status, warm-up included.
    pub(crate) errors: u64,
}

/// Puts load on a server and writes the [`Outcome`] as JSON.
pub(crate) fn run(options: Options, output: &mut impl Write) -> Result<()> {
    // One thread: nothing to hand over between two, and a core is left for the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = runtime.block_on(drive(&options))?;
    let outcome = tally.outcome(Duration::from_millis(options.measured_ms));
    serde_json::to_writer(output, &outcome).context("writing the outcome")
}

/// The requests, and when to count them.
#[derive(Debug)]
struct Course {
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
    measure_from: Instant,
    end: Instant,
}

#[derive(Debug, Default)]
struct Tally {
    /// Of each request that was answered within the measured time.
    latencies_us: Vec<u32>,
    answered: u64,
    errors: u64,
}

async fn drive(options: &Options) -> Result<Tally> {
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        connections.push(Connection::open(options.address).await?);
    }
    let names = options.workload.names(options.objects);
    let measure_from = Instant::now() + Duration::from_millis(options.warm_up_ms);
    let course = Arc::new(Course {
        requests: names.iter().map(|name| http::get(&options.workload.path(name))).collect(),
        next: AtomicUsize::new(0),
        measure_from,
        end: measure_from + Duration::from_millis(options.measured_ms),
    });
    let deadline = course.end + PATIENCE;
    let mut drivers = JoinSet::new();
    for connection in connections {
        drivers.spawn(course_of(connection, Arc::clone(&course)));
    }
    let mut total = Tally::default();
    // A timeout drops the drivers: the run has failed then, and nothing of it is used.
    while let Some(joined) = timeout_at(deadline.into(), drivers.join_next())
        .await
        .context("some requests were never answered")?
    {
        total.add(joined??);
    }
    Ok(total)
}

/// One connection's requests, one after the other until the time is up.
async fn course_of(mut connection: Connection, course: Arc<Course>) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut sent = Instant::now();
    while sent < course.end {
        let number = course.next.fetch_add(1, Ordering::Relaxed) % course.requests.len();
        let answer = connection.exchange(&course.requests[number]).await?;
        if answer.status == 200 && answer.body.is_empty() {
            bail!("an answer without the count");
        }
        let status = answer.status;
        let received = Instant::now();
        if status == 200 {
            tally.answered += 1;
            if received >= course.measure_from && received < course.end {
                let latency = received.duration_since(sent).as_micros();
                tally.latencies_us.push(u32::try_from(latency).unwrap_or(u32::MAX));
            }
        } else {
            tally.errors += 1;
        }
        sent = received;
    }
    Ok(tally)
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.answered += other.answered;
        self.errors += other.errors;
    }

    fn outcome(mut self, measured: Duration) -> Outcome {
        self.latencies_us.sort_unstable();
        let requests = self.latencies_us.len();
        #[expect(clippy::cast_precision_loss, reason = "nobody measures 2^52 requests")]
        let requests_per_second = requests as f64 / measured.as_secs_f64();
        Outcome {
            requests: requests as u64,
            requests_per_second,
            p50_us: percentile(&self.latencies_us, 50),
            p99_us: percentile(&self.latencies_us, 99),
            answered: self.answered,
            errors: self.errors,
        }
    }
}

/// The smallest value that `percent` of all values do not exceed; 0 of none.
fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_a_value_that_occurred() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&values, 50), 100);
        assert_eq!(percentile(&values, 99), 198);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
