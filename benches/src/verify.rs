//! Whether a server has what it said it has: figures without that are worth nothing.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use crate::{
    http::{self, Connection},
    rounds::Run,
    server::Server,
    workload::Workload,
};

/// Fails unless the server answers a read, so that a missing class is not found out under load.
pub(crate) fn answers(server: &Server) -> Result<()> {
    block_on(sum(server.address, &Workload::Read.names(1)))
        .with_context(|| format!("asking {} for a count", server.subject.word()))?;
    Ok(())
}

/// Compares the counts of a restarted server with the increments that were answered.
///
/// Of an increment that was answered with an error it is unknown whether it was made.
pub(crate) fn kept_its_word(server: &Server, objects: u32, runs: &[Run]) -> Result<()> {
    let subject = server.subject;
    for workload in [Workload::IncrementOne, Workload::IncrementMany] {
        let runs = runs.iter().filter(|run| run.server == subject && run.workload == workload);
        let (mut answered, mut errors) = (0, 0);
        for run in runs {
            answered += run.outcome.answered;
            errors += run.outcome.errors;
        }
        let counted = block_on(sum(server.address, &workload.names(objects)))?;
        ensure!(
            (answered..=answered + errors).contains(&counted),
            "{} answered {answered} increments ({}) and {errors} errors, but counts {counted} \
             after a kill and a restart",
            subject.word(),
            workload.word(),
        );
    }
    Ok(())
}

/// The sum of some counters.
async fn sum(address: SocketAddr, names: &[String]) -> Result<u64> {
    let mut connection = Connection::open(address).await?;
    let mut sum = 0;
    for name in names {
        let request = http::get(&Workload::Read.path(name));
        let answer = connection.exchange(&request).await?;
        let body = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200, "{name}: status {}, {body}", answer.status);
        let count: u64 = body.trim().parse().with_context(|| format!("{name}: {body:?}"))?;
        sum += count;
    }
    Ok(sum)
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
